"""Mistakes of the user: each with its place and its remedy, all reported at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from imagemake.core.errors import ExitCode, ImagemakeError

__all__ = ["NotReadyError", "Problem", "UserError"]

SHOWN_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake.

    Attributes:
        where: File and row, line, or column: ``config/catalog.csv, row 17, column 'color'``.
        what: The value and the rule that it breaks.
        remedy: How to correct it, as a sentence.
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n  {self.remedy}"


class UserError(ImagemakeError):
    """One or more mistakes of the user.

    Args:
        problems: The mistakes; the message lists the first 50 and counts the rest.
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
    """Something outside the configuration is missing or cannot be used.

    Attributes:
        what: What is wrong, as a sentence.
        remedy: What to do about it, as a sentence.
    """

    exit_code = ExitCode.NOT_READY

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
