"""List batches for users: open ones from their state files, past ones from the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from imagemake.plugins.providers import BatchState
from imagemake.store.journal import Call, Outcome
from imagemake.store.ledger import cost_of
from imagemake.store.submissions import Submission

OVER = "over"


@dataclass(slots=True)
class ListedBatch:
    """One submission, as listed.

    Attributes:
        id: ID of the submission.
        batch: The provider's ID of the batch.
        model: Name of the model.
        requests: Number of requests.
        made_at: Time of the submission, ISO 8601 in UTC.
        state: The provider's status, or our own if that is unknown, or ``over``.
        outcomes: Number of calls per outcome.
        cost_usd: Exact cost of the closed calls.
        worst_usd: The most that the batch can cost; None if unknown.
        expires_at: When the provider gives up, in seconds of Unix time; None if unknown.
    """

    id: str
    model: str
    made_at: str
    batch: str | None = None
    requests: int = 0
    state: str = OVER
    outcomes: Counter[str] = field(default_factory=Counter)
    cost_usd: Decimal = Decimal(0)
    worst_usd: Decimal | None = Decimal(0)
    expires_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether results are still to be collected."""
        return self.state != OVER

    def add(self, call: Call) -> None:
        """Add one of its calls."""
        self.requests += 1
        self.outcomes[call.outcome.value] += 1
        self.batch = self.batch or (call.closed or {}).get("batch")
        self.cost_usd += cost_of(call) or Decimal(0)
        worst = call.sent.get("worst_usd")
        if self.worst_usd is not None:
            self.worst_usd = None if worst is None else self.worst_usd + Decimal(str(worst))


def listed_batches(
    calls: Iterable[Call], submissions: Iterable[Submission], states: Mapping[str, BatchState]
) -> list[ListedBatch]:
    """List every submission, oldest first.

    Args:
        calls: The journal.
        submissions: The open submissions.
        states: Their states at the provider by submission ID, as far as it was asked.
    """
    found: dict[str, ListedBatch] = {}
    for call in calls:
        identity = call.sent.get("submission")
        if identity is not None:
            if identity not in found:
                found[identity] = ListedBatch(identity, call.sent["recipe"]["model"], call.sent["at"])
            found[identity].add(call)
    for submission in submissions:
        one = found.setdefault(submission.id, ListedBatch(submission.id, submission.model, submission.made_at))
        one.requests = len(submission.calls)
        one.batch = submission.batch or one.batch
        state = states.get(submission.id)
        one.state = f"{state.status} {state.n_done:,}/{state.n_all:,}" if state else submission.step.value
        one.expires_at = state.expires_at if state else None
    return sorted(found.values(), key=lambda one: one.made_at)


def rows_of(batches: Iterable[ListedBatch], now: datetime) -> list[dict[str, Any]]:
    """Return one row per batch, as plain data."""
    return [
        {
            "id": one.id,
            "batch": one.batch,
            "model": one.model,
            "requests": one.requests,
            "made": one.outcomes[Outcome.MADE.value],
            "state": one.state,
            "made_at": one.made_at,
            "age_h": round((now - datetime.fromisoformat(one.made_at)).total_seconds() / 3600, 2),
            "expires_at": _utc(one.expires_at),
            "cost_usd": float(one.cost_usd),
            "worst_usd": float(one.worst_usd) if one.worst_usd is not None and one.is_open else None,
        }
        for one in batches
    ]


def _utc(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
