"""What counts as decided and as failed, and what reasons are counted by."""

from __future__ import annotations

from imagemake.release.manifest import Entry, Verdict

DECIDED: tuple[Verdict, ...] = ("accepted", "rejected", "refused", "failed")
_CODE_AT_MOST = 60


def failed(entry: Entry) -> bool:
    """Say whether any attempt at a request failed: a good one after it was paid for twice."""
    return entry.verdict != "accepted" or bool(entry.history)


def reason_code(reason: str) -> str:
    """Return what reasons are counted by: the part before the first colon, at most 60 characters of it."""
    code = " ".join(reason.partition(":")[0].split())
    return code if len(code) <= _CODE_AT_MOST else code[: _CODE_AT_MOST - 1] + "…"
