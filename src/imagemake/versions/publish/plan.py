"""What a publish has to do: a pure comparison of a release with what is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from imagemake.store.remote.storage import ListedObject
from imagemake.versions.publish.objects import MANIFEST, Object, SendOrder
from imagemake.versions.publish.record import SentFile


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """What is to be done.

    Attributes:
        send: What is sent, in its order, with its turn and whether something else is there under that name.
        same: What is there already.
        superseded: Names that an earlier publish put there, that still hold what it put, and that this release has not.
        foreign: Such names that somebody else has written since; they are left alone.
    """

    send: Sequence[tuple[SendOrder, Object, bool]]
    same: Sequence[Object]
    superseded: Sequence[str]
    foreign: Sequence[str]


def compare(
    objects: Sequence[Object],
    listed: Mapping[str, ListedObject],
    sent: Mapping[str, SentFile],
    is_whole: Callable[[Object, ListedObject], bool],
    *,
    again: bool = False,
) -> PublishPlan:
    """Compare a release with what is there.

    Args:
        objects: The release.
        listed: What the place lists.
        sent: What earlier publishes put there.
        is_whole: Says by content whether a listed file is an object; asked only where the record cannot tell.
        again: Send everything, for other headers.
    """
    same, send = [], []
    for one in objects:
        there = listed.get(one.name)
        if there is not None and not again and _is_there(one, there, sent.get(one.name), is_whole):
            same.append(one)
        else:
            send.append((_turn(one, replaces=there is not None), one, there is not None))
    names = {one.name for one in objects}
    gone = [name for name in sorted(sent) if name in listed and name not in names]
    foreign = {name for name in gone if _is_foreign(listed[name], sent[name])}
    return PublishPlan(
        sorted(send, key=lambda due: (due[0], due[1].name)),
        same,
        [name for name in gone if name not in foreign],
        sorted(foreign),
    )


def _is_there(
    one: Object, there: ListedObject, sent: SentFile | None, is_whole: Callable[[Object, ListedObject], bool]
) -> bool:
    if there.bytes != one.size_bytes:
        return False
    if sent is not None and sent.is_sure and sent.etag == there.etag:
        return sent.digest == one.digest
    return is_whole(one, there)


def _is_foreign(there: ListedObject, sent: SentFile) -> bool:
    return sent.is_sure and sent.etag is not None and there.etag != sent.etag


def _turn(one: Object, *, replaces: bool) -> SendOrder:
    if one.is_image:
        return SendOrder.REPLACED_IMAGE if replaces else SendOrder.NEW_IMAGE
    return SendOrder.MANIFEST if one.name == MANIFEST else SendOrder.TABLE
