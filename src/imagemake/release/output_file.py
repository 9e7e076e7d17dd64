"""A file of a release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagemake.config.fields import MAIN

if TYPE_CHECKING:
    from imagemake.plan.state import State
    from imagemake.store.store import StoredFile


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """A file to release.

    Attributes:
        state: The state of its request, whose images are finished.
        output: Label of its output.
    """

    state: State
    output: str = MAIN

    @property
    def stored(self) -> StoredFile:
        """The finished image in the store."""
        return self.state.files[self.output]
