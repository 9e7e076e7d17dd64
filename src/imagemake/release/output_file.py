"""A file that a release puts under results/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagemake.config.fields import MAIN

if TYPE_CHECKING:
    from imagemake.plan.state import State
    from imagemake.store.store import Held


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is to be released.

    Attributes:
        state: A request whose pictures are finished.
        output: Which of them.
    """

    state: State
    output: str = MAIN

    @property
    def held(self) -> Held:
        """The finished picture in the store."""
        return self.state.files[self.output]
