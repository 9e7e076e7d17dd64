"""Which verdicts count as decided, which images count as failed, and the code of a reason."""

from __future__ import annotations

from imagemake.config.verdict_codes import VerdictCode
from imagemake.release.manifest.row import EarlierAttempt, ManifestRow, Verdict

DECIDED: tuple[Verdict, ...] = ("accepted", "rejected", "refused", "failed")
_CODE_AT_MOST = 60


def failed(entry: ManifestRow) -> bool:
    """Return whether any attempt of a request failed, even if a later attempt was accepted."""
    return entry.verdict != "accepted" or any(failures_of(earlier) for earlier in entry.history)


def failures_of(earlier: EarlierAttempt) -> list[str]:
    """Return why an earlier attempt failed. That another candidate was better is not a failure."""
    return [reason for reason in earlier["reasons"] if reason_code(reason) != VerdictCode.NOT_BEST]


def reason_code(reason: str) -> str:
    """Return the code of a reason: the text before the first colon, at most 60 characters."""
    code = " ".join(reason.partition(":")[0].split())
    return code if len(code) <= _CODE_AT_MOST else code[: _CODE_AT_MOST - 1] + "…"
