"""An image in the review queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from imagemake.plan.state import Past, State
from imagemake.review.tabs import TAB_OF
from imagemake.stages.validate.verdict import UNDECODABLE, Reason, flat
from imagemake.store.store import StoredFile


@dataclass(frozen=True, eq=False)
class ReviewItem:
    """One request, and where it stood when the queue was made.

    Attributes:
        index: Its place in the queue.
        state: Where it stands.
    """

    index: int
    state: State

    @property
    def name(self) -> str:
        """The request's name."""
        return self.state.request.name

    @property
    def key(self) -> str:
        """The current attempt's key."""
        return self.state.key

    @property
    def tab(self) -> str:
        """Where it is listed as long as nobody decides."""
        return TAB_OF[self.state.stage]

    @property
    def past(self) -> Sequence[Past]:
        """Earlier attempts."""
        return self.state.past

    @cached_property
    def raw(self) -> StoredFile | None:
        """The current attempt's image; None where there is none that can be seen."""
        return can_be_seen(self.state.raw, self.state.reasons)

    @cached_property
    def shown(self) -> StoredFile | None:
        """The image to show: the current one, else that of the last attempt which has one."""
        earlier = (can_be_seen(past.raw, past.reasons) for past in reversed(self.past))
        return next((raw for raw in (self.raw, *earlier) if raw is not None), None)

    @cached_property
    def codes(self) -> frozenset[str]:
        """Reason codes of the current attempt."""
        return frozenset(reason.code for reason in self.state.reasons)

    @cached_property
    def text(self) -> str:
        """What a search looks at."""
        reasons = (str(reason) for reason in self.state.reasons)
        return "\n".join((self.name, self.state.recipe.prompt, self.state.why, *reasons)).casefold()

    @cached_property
    def size_px(self) -> tuple[int, int] | None:
        """Width and height of the current image; None where nobody read them."""
        values = flat(self.state.measured)
        width, height = values.get("file.width_px"), values.get("file.height_px")
        return (width, height) if isinstance(width, int) and isinstance(height, int) else None


def can_be_seen(raw: StoredFile | None, reasons: Iterable[Reason]) -> StoredFile | None:
    """Return a raw image, or None where its file holds none."""
    return None if any(reason.code == UNDECODABLE for reason in reasons) else raw
