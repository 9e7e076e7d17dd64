"""Why a job failed, in one line: the error that its log ends with."""

from __future__ import annotations

import re
from pathlib import Path

MOST_BYTES = 20_000  # of the end of a log
MOST_CHARACTERS = 600
WARNING = re.compile(r"(?:[\w.-]+: )?(Warning: .*)")  # some name their job first
_INTERNAL = re.compile(r"\s|Traceback \(|During handling of|The above exception ")


def error_in(log: str) -> str:
    """Return the error that a log ends with, as one line; empty if there is none.

    An error of imagemake is a line, and below it, indented, what to do. A traceback ends with its exception.
    """
    lines = [line for line in log.splitlines() if line.strip() and not WARNING.match(line)]
    place = next((place for place in range(len(lines) - 1, -1, -1) if not _INTERNAL.match(lines[place])), None)
    if place is None:
        return ""
    sentences = [" ".join(line.split()) for line in lines[place:]]
    ended = [line if line[-1] in ".:;!?" else f"{line}." for line in sentences[:-1]]
    return " ".join([*ended, sentences[-1]])[:MOST_CHARACTERS]


def warnings_in(log: str) -> list[str]:
    """Return the warnings in a log, each with what is indented below it, and without the name of its job."""
    found: list[str] = []
    inside = False
    for line in log.splitlines():
        if warning := WARNING.match(line):
            found.append(warning[1])
            inside = True
        elif inside and line.startswith("  "):
            found[-1] += f"\n{line}"
        else:
            inside = False
    return found


def log_text(path: Path) -> str:
    """Return the end of a log; empty if it is missing."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MOST_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def without_traceback(message: str) -> str:
    """Return a message of Snakemake without the lines that say where in its code or ours it was raised."""
    internal = re.compile(r'\s*(File ".*", line \d+|Traceback[ :])|Wildcards:$')
    return "\n".join(line for line in message.splitlines() if not internal.match(line)).strip()
