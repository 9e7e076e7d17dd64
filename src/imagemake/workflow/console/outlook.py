"""What a run is expected to do, as planned: the planner tells it, and the console compares the progress with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run is expected to do.

    Attributes:
        wanted: Requested images.
        done: Of these, images that were finished before.
        review: Images that await review.
        given_up: Images that were rejected, refused, or held before.
        to_generate: Images to generate.
        to_validate: Images to check that are generated already.
        to_postprocess: Images to finish that are checked already.
        cost_usd: Expected cost in USD; None if it is unknown.
        per_min: Most images per minute; None if no rate is set.
    """

    wanted: int = 0
    done: int = 0
    review: int = 0
    given_up: int = 0
    to_generate: int = 0
    to_validate: int = 0
    to_postprocess: int = 0
    cost_usd: float | None = 0.0
    per_min: float | None = None

    def __add__(self, other: Outlook) -> Outlook:
        """Return the outlook of a run of two projects."""
        mine, theirs = self.cost_usd, other.cost_usd
        return Outlook(
            self.wanted + other.wanted,
            self.done + other.done,
            self.review + other.review,
            self.given_up + other.given_up,
            self.to_generate + other.to_generate,
            self.to_validate + other.to_validate,
            self.to_postprocess + other.to_postprocess,
            None if mine is None or theirs is None else mine + theirs,
            self.per_min if not other.to_generate else other.per_min if not self.to_generate else None,
        )


def together(outlooks: Sequence[Outlook]) -> Outlook:
    """Return the outlook of a run with several targets: the largest, because stages include the smaller ones."""
    return max(outlooks, key=lambda one: one.wanted, default=Outlook())
