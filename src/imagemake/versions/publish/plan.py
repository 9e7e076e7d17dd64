"""Plans a publish: a pure comparison of a release with the remote."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from imagemake.store.layout import PAGE
from imagemake.store.remote.storage import ListedObject
from imagemake.versions.publish.objects import MANIFESTS, Object, SendOrder
from imagemake.versions.publish.record import SentFile


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """The steps of a publish.

    Attributes:
        send: Objects to send, in order, each with its position and whether it replaces another object.
        same: Objects that the remote already has.
        superseded: Names of unchanged objects from an earlier publish that this release does not have.
        foreign: Names from an earlier publish that someone else has changed since. They are left alone.
    """

    send: Sequence[tuple[SendOrder, Object, bool]]
    same: Sequence[Object]
    superseded: Sequence[str]
    foreign: Sequence[str]


def plan_publish(
    objects: Sequence[Object],
    listed: Mapping[str, ListedObject],
    sent: Mapping[str, SentFile],
    is_whole: Callable[[Object, ListedObject], bool],
    *,
    again: bool = False,
) -> PublishPlan:
    """Compare a release with the remote.

    Args:
        objects: Objects of the release.
        listed: Objects that the remote lists.
        sent: Objects that earlier publishes sent.
        is_whole: Compares an object with a listed one by content. Called only if the record is not sufficient.
        again: Whether to send everything, such as to change headers.
    """
    same, send = [], []
    for one in objects:
        remote = listed.get(one.name)
        if remote is not None and not again and _is_same(one, remote, sent.get(one.name), is_whole):
            same.append(one)
        else:
            send.append((_order(one, replaces=remote is not None), one, remote is not None))
    names = {one.name for one in objects}
    gone = [name for name in sorted(sent) if name in listed and name not in names]
    foreign = {name for name in gone if _is_foreign(listed[name], sent[name])}
    return PublishPlan(
        sorted(send, key=lambda step: (step[0], step[1].name)),
        same,
        [name for name in gone if name not in foreign],
        sorted(foreign),
    )


def _is_same(
    one: Object, remote: ListedObject, sent: SentFile | None, is_whole: Callable[[Object, ListedObject], bool]
) -> bool:
    if remote.bytes != one.size_bytes:
        return False
    if sent is not None and sent.is_complete and sent.etag == remote.etag:
        return sent.digest == one.digest
    return is_whole(one, remote)


def _is_foreign(remote: ListedObject, sent: SentFile) -> bool:
    return sent.is_complete and sent.etag is not None and remote.etag != sent.etag


def _order(one: Object, *, replaces: bool) -> SendOrder:
    if one.is_image:
        return SendOrder.REPLACED_IMAGE if replaces else SendOrder.NEW_IMAGE
    if one.name in MANIFESTS:
        return SendOrder.MANIFEST
    return SendOrder.PAGE if one.name == PAGE else SendOrder.TABLE
