"""What a process says about itself beside its lock on a card, for those who wait for that card."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from imagemake.core.files import write_whole


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has cards, or wants some.

    Attributes:
        what: What it is, in words.
        run: Tells the run that it belongs to from all others; empty if it belongs to none.
        keeps: Whether it keeps its cards until that run ends.
        pid: Its ID.
    """

    what: str = "a job"
    run: str = ""
    keeps: bool = False
    pid: int = field(default_factory=os.getpid)

    def __str__(self) -> str:
        return f"{self.what} (process {self.pid})"

    def write(self, path: Path) -> None:
        """Say that it has a card."""
        write_whole(path, orjson.dumps(self))


def read_holder(path: Path) -> Holder | None:
    """Return who said last that it has a card; None if that process has ended."""
    try:
        holder = Holder(**orjson.loads(path.read_bytes()))
        os.kill(holder.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return holder
