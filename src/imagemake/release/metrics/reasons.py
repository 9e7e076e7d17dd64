"""What counts as decided and as failed, and what reasons are counted by."""

from __future__ import annotations

from imagemake.config.verdict_codes import VerdictCode
from imagemake.release.manifest.row import EarlierAttempt, ManifestRow, Verdict

DECIDED: tuple[Verdict, ...] = ("accepted", "rejected", "refused", "failed")
_CODE_AT_MOST = 60


def failed(entry: ManifestRow) -> bool:
    """Say whether any image of a request was not good enough: a good one after it was paid for twice."""
    return entry.verdict != "accepted" or any(failures_of(earlier) for earlier in entry.history)


def failures_of(earlier: EarlierAttempt) -> list[str]:
    """Return what was wrong with an earlier image: that another candidate was better is no fault."""
    return [reason for reason in earlier["reasons"] if reason_code(reason) != VerdictCode.NOT_BEST]


def reason_code(reason: str) -> str:
    """Return what reasons are counted by: the part before the first colon, at most 60 characters of it."""
    code = " ".join(reason.partition(":")[0].split())
    return code if len(code) <= _CODE_AT_MOST else code[: _CODE_AT_MOST - 1] + "…"
