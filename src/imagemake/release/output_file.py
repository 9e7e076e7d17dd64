"""A file that a release puts under results/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagemake.config.fields import MAIN

if TYPE_CHECKING:
    from imagemake.plan.state import State
    from imagemake.store.store import StoredFile


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """A file that is to be released.

    Attributes:
        state: A request whose images are finished.
        output: Which of them.
    """

    state: State
    output: str = MAIN

    @property
    def stored(self) -> StoredFile:
        """The finished image in the store."""
        return self.state.files[self.output]
