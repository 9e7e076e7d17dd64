"""Help that fits the terminal: the paragraphs, lists, and examples of a command, wrapped to its width."""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap

MOST_COLUMNS = 120
_ENTRY = re.compile(r"( *(?:\S.*? {2,})?)(.*)")  # of a list: the word with what is around it, then its meaning
_COMMAND = " " * 4  # before a command of an example, which stays as it is, so that it can be copied


class HelpFormatter(argparse.HelpFormatter):
    """Wraps descriptions and examples, too, but keeps their lines apart."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=min(shutil.get_terminal_size().columns, MOST_COLUMNS) - 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return wrapped(text, width)


def wrapped(text: str, width: int) -> str:
    """Wrap paragraphs and lists of words with aligned meanings. Commands, indented by four spaces, stay as they are."""
    items: list[tuple[str, str]] = []
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        before, words = items[-1] if items else ("", "")
        if line and words and indent == len(before):
            items[-1] = before, f"{words} {line.strip()}"
        elif line.startswith(_COMMAND) or not line:
            items.append((line, ""))
        else:
            found = _ENTRY.fullmatch(line)
            assert found is not None
            items.append((found[1], found[2]))
    return "".join(f"{_filled(*item, width)}\n" for item in items)


def _filled(before: str, words: str, width: int) -> str:
    if not words:
        return before
    hanging = " " * len(before)
    return textwrap.fill(
        words, width, initial_indent=before, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
    )
