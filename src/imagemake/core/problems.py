"""Mistakes in what a user wrote: each with its place and its remedy, and all of them told at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from imagemake.core.errors import ExitCode, ImagemakeError

SHOWN_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake.

    Attributes:
        where: File, and row, line or column: ``config/catalog.csv, row 17, column 'color'``.
        what: The value and the rule that it breaks.
        remedy: What to do about it, a whole sentence.
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n  {self.remedy}"


class UserError(ImagemakeError):
    """Mistakes of the user, shown without a traceback.

    Args:
        problems: One or more mistakes; the message lists the first 50 and counts the rest.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__(str(self))

    def __str__(self) -> str:
        shown = [str(problem) for problem in self.problems[:SHOWN_AT_MOST]]
        hidden = len(self.problems) - len(shown)
        if hidden:
            shown.append(f"... and {hidden} more.")
        return "\n".join(shown)


class NotReadyError(ImagemakeError):
    """Something outside of the configuration that must be there, and is not, or cannot be used.

    Attributes:
        what: What is wrong, a sentence.
        remedy: What to do about it, a sentence.
    """

    exit_code = ExitCode.NOT_READY

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
