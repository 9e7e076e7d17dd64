"""A model whose quota is used up, where other models may make the images: no job of the run calls it again.

The journal has the call that told so, and the next round goes on with the next model; see `imagemake.plan.routing`.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.core.files import write_whole
from imagemake.core.fingerprint import fingerprint
from imagemake.store.items import FailureReason, ItemFailure
from imagemake.store.layout import used_up_file

if TYPE_CHECKING:
    from imagemake.config.model import ModelSettings
    from imagemake.plugins.providers import ProviderError

NO_QUOTA = ItemFailure(FailureReason.STOPPED, "the quota of its model is used up")


@dataclass(frozen=True, slots=True)
class UsedUp:
    """Whether the quota of one model is used up, as the jobs of a run tell each other by a note in ``work/``.

    Attributes:
        model: The model's name, for messages.
        note: The note.
        job: Name of the job, for messages.
    """

    model: str
    note: Path
    job: str

    @classmethod
    def of(cls, settings: ModelSettings, work: Path, job: str) -> UsedUp:
        """Return it for a model.

        Args:
            settings: The model.
            work: Folder that the jobs of the run share.
            job: Name of the job.
        """
        return cls(settings.name, used_up_file(work, fingerprint([*settings.connects_to.lane, settings.name])), job)

    def is_told(self) -> bool:
        """Return whether a job of this run met the end of the quota."""
        return self.note.exists()

    def tell(self, error: ProviderError, remedy: str) -> None:
        """Tell the other jobs, and the user if nobody did before.

        Args:
            error: What the provider said.
            remedy: What the user can do.
        """
        if self.is_told():
            return
        self.note.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.note, str(error).encode())
        goes_on = "This run does not call it again; the next model of a list makes its images."
        with suppress(OSError):
            print(
                f"{self.job}: Warning: no quota is left for {self.model}: {error}\n  {goes_on} {remedy}",
                file=sys.stderr,
                flush=True,
            )
