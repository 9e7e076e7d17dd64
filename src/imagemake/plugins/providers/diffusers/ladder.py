"""What to do when memory runs out: make fewer images at once, then free memory in other ways, then make more again.

Pure decisions: nothing here knows torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

GOOD_CALLS = 16  # at the most images that fit, before more are tried again: another program may have left the memory
MORE_FREE = 1.1  # with this much more free memory than when it ran out, all is tried from the start


class Rung(NamedTuple):
    """A way to run a model.

    Attributes:
        offload: Which parts wait in the machine's memory: ``no``, ``model``, or ``sequential``.
        tiled: Whether the VAE decodes in tiles. Pixels differ slightly from those of a whole image.
    """

    offload: str
    tiled: bool


def rungs_of(offload: str, tiling: bool | None, *, has_gpu: bool) -> tuple[Rung, ...]:
    """Return the ways to run a model, from the fastest to the one that needs the least memory.

    Args:
        offload: As in ``model.local``.
        tiling: The parameter ``vae_tiling``; None if tiles may come in where memory runs out.
        has_gpu: Whether there is another memory to offload to.
    """
    offloads = ["no"] if not has_gpu else ["no", "model", "sequential"] if offload == "auto" else [offload]
    if tiling is not None:
        return tuple(Rung(one, tiling) for one in offloads)
    # Offloading changes no pixel, so it comes first, as long as it is not slow.
    quick = [Rung(one, tiled=False) for one in offloads if one != "sequential" or len(offloads) == 1]
    return (*quick, *(Rung(one, tiled=True) for one in offloads[len(quick) - 1 :]))


@dataclass(slots=True)
class Ladder:
    """How many images are made at once, and how, for one pipeline, size, and card.

    Attributes:
        rungs: The ways to run the model.
        most: Most images at once.
        rung: The place of the current way.
        batch: How many images to make at once now.
        too_many: The fewest that ran out of memory this way; None if none did.
        ever_ran_out: Whether memory ever ran out, in this job or before.
        is_exhausted: Whether it ran out for one image in every way.
    """

    rungs: Sequence[Rung]
    most: int
    rung: int = 0
    batch: int = 0
    too_many: int | None = None
    ever_ran_out: bool = False
    is_exhausted: bool = False
    _fits: int = 0  # the most that were made at once this way
    _good_calls: int = 0
    _patience: int = GOOD_CALLS

    def __post_init__(self) -> None:
        self.batch = self.batch or self.most

    @property
    def way(self) -> Rung:
        """The current way to run the model."""
        return self.rungs[self.rung]

    def went_well(self, n: int) -> None:
        """Count a call that made `n` images; one that was full lets the next one be larger."""
        if n < self.batch:
            return
        self._good_calls += 1
        if self.too_many is not None and self._good_calls >= self._patience:
            self.too_many, self._good_calls = None, 0
            self._patience *= 2
        self._fits = max(self._fits, n)
        between = self.batch * 2 if self.too_many is None else (self.batch + self.too_many) // 2
        self.batch = max(self.batch, min(between, self.most))

    def ran_out(self, n: int) -> bool:
        """Take into account that memory ran out for `n` images, and return whether there is something else to try."""
        self._good_calls, self.ever_ran_out = 0, True
        if n > 1:
            self.too_many = min(n, self.too_many or n)
            self._fits = self._fits if self._fits < n else 0
            self.batch = min(self.batch, self._fits or n // 2)
            return True
        if self.rung + 1 >= len(self.rungs):
            self.is_exhausted = True
            return False
        self.rung, self.batch, self.too_many, self._fits = self.rung + 1, 1, None, 0
        return True

    def as_dict(self, free_bytes: int) -> dict[str, Any]:
        """Return what was found, as plain data, with the memory that was free for it."""
        found = {"way": [*self.way], "batch": self.batch, "too_many": self.too_many}
        return {**found, "free_bytes": free_bytes}

    def remember(self, known: Any, free_bytes: int) -> None:
        """Begin where an earlier job ended, unless much more memory is free now or its record makes no sense."""
        if not isinstance(known, dict) or not isinstance(was_free := known.get("free_bytes"), int):
            return
        if free_bytes > MORE_FREE * was_free:
            return
        ways, batch, too_many = [[*rung] for rung in self.rungs], known.get("batch"), known.get("too_many")
        if known.get("way") not in ways or not isinstance(batch, int) or not isinstance(too_many, int | None):
            return
        self.rung, self.batch = ways.index(known["way"]), max(1, min(batch, self.most))
        self.ever_ran_out = True
        self.too_many = too_many if too_many is None or too_many > self.batch else None
