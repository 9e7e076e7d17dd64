"""An image in the review queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from imagemake.config.verdict_codes import VerdictCode
from imagemake.images.repair_mask import RepairMask
from imagemake.plan.state import Past, State
from imagemake.review.tabs import TAB_OF
from imagemake.stages.validate.answers import Answer, answers_of
from imagemake.stages.validate.verdict import Reason, flat
from imagemake.store.store import StoredFile


@dataclass(frozen=True, eq=False)
class ReviewItem:
    """One request and its state when the queue was built.

    Attributes:
        index: Its position in the queue.
        state: Its state.
    """

    index: int
    state: State

    @property
    def name(self) -> str:
        """Name of the request."""
        return self.state.request.name

    @property
    def key(self) -> str:
        """Key of the current attempt."""
        return self.state.key

    @property
    def tab(self) -> str:
        """Tab that lists it until someone decides."""
        return TAB_OF[self.state.stage]

    @property
    def past(self) -> Sequence[Past]:
        """Earlier attempts."""
        return self.state.past

    @cached_property
    def masks(self) -> Mapping[str, RepairMask]:
        """What repairs could change of the images of earlier attempts, by their digests."""
        masks = (self.state.mask, *(past.mask for past in self.past))
        return {mask.image: mask for mask in masks if mask is not None}

    @cached_property
    def raw(self) -> StoredFile | None:
        """Image of the current attempt; None if there is none, or if it cannot be decoded."""
        return viewable(self.state.raw, self.state.reasons)

    @cached_property
    def shown(self) -> StoredFile | None:
        """The image to show: that of the current attempt, or else of the last attempt that has one."""
        earlier = (viewable(past.raw, past.reasons) for past in reversed(self.past))
        return next((raw for raw in (self.raw, *earlier) if raw is not None), None)

    @property
    def answers(self) -> list[Answer]:
        """What the judge answered about the current attempt's image."""
        return answers_of(self.state.questions, self.state.measured)

    @cached_property
    def doubt(self) -> float:
        """How unsure the judge is, from 0 to 1; 0 without a judge."""
        return max((answer.doubt for answer in self.answers), default=0.0)

    @property
    def codes(self) -> frozenset[str]:
        """Reason codes of the current attempt."""
        return frozenset(reason.code for reason in self.state.reasons)

    @property
    def text(self) -> str:
        """Text that a search looks through."""
        reasons = (str(reason) for reason in self.state.reasons)
        return "\n".join((self.name, self.state.recipe.prompt, str(self.state.why or ""), *reasons)).casefold()

    @cached_property
    def size_px(self) -> tuple[int, int] | None:
        """Width and height of the current image, in pixels; None if they were not measured."""
        values = flat(self.state.measured)
        width, height = values.get("file.width_px"), values.get("file.height_px")
        return (width, height) if isinstance(width, int) and isinstance(height, int) else None


def viewable(raw: StoredFile | None, reasons: Iterable[Reason]) -> StoredFile | None:
    """Return a raw image, or None if it cannot be decoded."""
    return None if any(reason.code == VerdictCode.UNDECODABLE for reason in reasons) else raw
