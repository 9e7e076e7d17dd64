"""The metrics of a release, with the forecast of the full run and what judges and remedies came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from imagemake.plan.policy import policy_of
from imagemake.plan.reviews import REVIEWS, read_reviews
from imagemake.release.metrics.agreement import agreement
from imagemake.release.metrics.forecast import RunTime, forecast
from imagemake.release.metrics.metrics import metrics_of_sums
from imagemake.release.metrics.pace import pace_of
from imagemake.release.metrics.remedies import RemedySums, remedies_of
from imagemake.release.metrics.sums import Sums, label_of
from imagemake.store.layout import PILOT, SMALL

if TYPE_CHECKING:
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.state import State
    from imagemake.plan.target import Target
    from imagemake.release.chunk_summary import Summary
    from imagemake.release.manifest.chunks.chunk import Chunk
    from imagemake.store.ledger import Tally
    from imagemake.store.store import Store


@dataclass(frozen=True, slots=True)
class Figures:
    """Adds up a release.

    Attributes:
        target: The requests and the campaign.
        store: The store.
        states: Where the requests stand that needed a look.
        asked: Calls that asked models about images and prompts.
        rewrites: Calls that asked for prompts.
    """

    target: Target
    store: Store
    states: Sequence[State]
    asked: Tally
    rewrites: Tally

    def of(self, chunks: Sequence[Chunk], summaries: Sequence[Summary], inventory: Inventory) -> dict[str, Any]:
        """Return the metrics of the release.

        Args:
            chunks: Its rows.
            summaries: What is known of each chunk.
            inventory: Has the answers about earlier attempts.
        """
        sums, remedies, cached = Sums(), RemedySums(), Counter[str]()
        for chunk, summary in zip(chunks, summaries, strict=True):
            sums.add(summary.sums)
            for name, counts in summary.remedies.items():
                remedies.setdefault(name, Counter()).update(counts)
            existed = summary.sums.cached(self.target.made_at)
            cached.update(existed if existed is not None else summary.sums.cached(self.target.made_at, chunk.rows()))
            chunk.forget()
        metrics = metrics_of_sums(sums, cached, self.asked, self.rewrites)
        asked_usd = None if metrics["asked_cost_unknown"] else metrics["cost_usd_judge"] + metrics["cost_usd_rewrite"]
        metrics |= self._forecast(chunks, asked_usd)
        return metrics | self._judge(inventory) | self._remedies(remedies)

    def _judge(self, inventory: Inventory) -> dict[str, Any]:
        """Return what the judge cost, and how far it agrees with people; nothing if nobody is asked."""
        campaign = self.target.campaign
        if not campaign.validation.asked.askers:
            return {}
        agreed = agreement(self.states, inventory, policy_of(campaign), read_reviews(REVIEWS))
        costs = {
            "calls": self.asked.calls,
            "cost_usd": float(self.asked.billed_usd),
            "cost_unknown": self.asked.cost_unknown,
        }
        return {"judge": {**costs, **agreed}}

    def _remedies(self, sums: RemedySums) -> dict[str, Any]:
        """Return what each remedy came to; nothing if none followed a rejection."""
        usd = None if self.rewrites.cost_unknown else float(self.rewrites.billed_usd)
        found = remedies_of(sums, usd)
        return {"remedies": found} if found else {}

    def _forecast(self, chunks: Sequence[Chunk], asked_usd: float | None) -> dict[str, Any]:
        """Return the forecast of the full run after a smaller run; otherwise nothing.

        Args:
            chunks: The rows.
            asked_usd: What calls to judge and rewrite cost; None if that is unknown.
        """
        if self.target.scope not in (PILOT, SMALL):
            return {}
        campaign, raw = self.target.campaign, self.store.raw
        everything = self.target.everything
        known = {state.request.name: state.request for state in self.states}  # with what they are made from
        to_make = Counter(
            one.model or one.recipe.model
            for one in (known.get(one.name, one) for one in everything)
            if not any(raw.find(recipe.key()) for recipe in one.recipes)
        )
        paces = {label: pace for label, n in to_make.items() if (pace := pace_of(label, campaign, n))}
        rows = [row for chunk in chunks for row in chunk.rows()]
        new = (row for row in rows if row.made and (row.raw_digest is None or row.closed_at >= self.target.made_at))
        made = Counter(map(label_of, new))
        began = datetime.fromisoformat(self.target.made_at)
        run = RunTime((datetime.now(UTC) - began).total_seconds(), made)
        found = forecast(rows, len(everything), to_make, paces, run, asked_usd=asked_usd)
        return {"forecast": found.as_dict() if found else None}
