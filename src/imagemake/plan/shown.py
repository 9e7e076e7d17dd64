"""What a release shows of its requests, as digests, so that an up-to-date release is not written again."""

from __future__ import annotations

import hashlib
from array import array
from typing import TYPE_CHECKING, Any

from imagemake.core.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagemake.config.campaign import Campaign
    from imagemake.plan.state import State

SHOWN_BYTES = 16
# Sections that do not change what a release shows.
NOT_SHOWN = ("limits", "batch_size", "job_minutes", "alerts", "gates", "store", "publish")


def shown_settings(campaign: Campaign) -> dict[str, Any]:
    """Return the settings that decide what a release shows, as plain data."""
    shown = campaign.model_dump(mode="json", exclude=set(NOT_SHOWN))
    return {**shown, "links": campaign.publish.names} if campaign.release.has_links else shown


def release_digest(shown: bytes, campaign: Campaign) -> str:
    """Return a digest of everything that a release shows; while it stays equal, the release is up to date.

    Args:
        shown: From `shown_of`.
        campaign: The campaign.
    """
    return hashlib.sha256(fingerprint(shown_settings(campaign)).encode() + shown).hexdigest()


def shown_of(states: Iterable[State]) -> bytes:
    """Return the digests of what a release shows of each request, and then the numbers of their rows."""
    numbers, digests = array("Q"), bytearray()
    for state in states:
        numbers.append(state.request.row)
        digests += shown_alone(state)
    return bytes(digests) + numbers.tobytes()


def shown_alone(state: State) -> bytes:
    """Return a digest of what a release shows of a request, except for the number of its row, of `SHOWN_BYTES`."""
    request, finished = state.request, state.finished.digest if state.finished else ""
    told: list[Any] = [request.name, state.key, state.stage, finished, *map(str, state.reasons)]
    told.append(tuple(request.variables.items()))  # the manifest has all columns, also those that no prompt names
    if state.further:
        told.append([(label, stored.digest) for label, stored in state.further.items()])
    if state.review:  # the released file itself shows it
        told.append((state.review.decision, state.review.note))
    if request.attached.references:
        told.append((request.attached.references, request.attached.mask))
    return hashlib.sha256(repr(told).encode()).digest()[:SHOWN_BYTES]
