"""Why a job failed, in one line: the error that its log ends with."""

from __future__ import annotations

import re
from pathlib import Path

from imagemake.core.host_errors import words_of
from imagemake.core.problems import NotReadyError
from imagemake.core.text import did_you_mean
from imagemake.store.layout import RELEASE_FOLDERS
from imagemake.store.room import check_folder

MOST_BYTES = 20_000  # of the end of a log
MOST_CHARACTERS = 600
WARNING = re.compile(r"(?:[\w.-]+: )?((?:Warning|Server): .*)")  # some name their job first
_FRAME = re.compile(r'\s*(File ".*", line \d+|Traceback[ :])|Wildcards:$')
_REFUSED = re.compile(r"\[Errno (?P<number>\d+)\] [^:()\n]*(?:: '(?P<path>[^'\n]*)'|.*directory (?P<folder>\S+))?")
_PLACE = re.compile(r' in file ".*", line \d')  # of the user's own code, which may be wrong about a file
_NO_TARGET = re.compile(r"MissingRuleException:\nNo rule to produce (\S+) \(if you use input functions")
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
    """Return the warnings in a log, each with what is indented below it, and without the name of its job.

    What a server that the build starts tells, such as how long its start took, counts as a warning.
    """
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


def without_message(log: Path | None) -> str:
    """Return what is known of a job that failed and has no error in its log: its disk may have refused the log."""
    if log is not None:
        try:
            check_folder(log.parent, "a log needs", 1, 1)
        except NotReadyError as error:
            return " ".join(error.in_words().split())
    return "it ended without a message"


def plain(message: str) -> str:
    """Return a message of Snakemake in words: what the computer refused, an unknown target, or all but the code."""
    if no_target := _NO_TARGET.match(message):
        known = "Targets are all, pilot, small, and images, such as results/images/NAME.jpg."
        remedy = f"{did_you_mean(no_target[1], RELEASE_FOLDERS)} {known}".strip()
        return f"{no_target[1]}: there is no such target.\n  {remedy}"
    if (refused := _REFUSED.search(message)) and not _PLACE.search(message):
        path = refused["path"] or refused["folder"]
        error = OSError(int(refused["number"]), "", *filter(None, [path]))
        return " ".join(words_of(error) or (message,))
    shown, code_indent = [], -1
    for line in message.splitlines():
        indent = len(line) - len(line.lstrip())
        if _FRAME.match(line):
            code_indent = indent
        elif not line.strip() or -1 < code_indent < indent:  # the code of a frame
            continue
        else:
            code_indent = -1
            shown.append(line)
    return "\n".join(shown)
