"""Markdown that the generated pages share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_MARKED = re.compile(
    r"(?<=<!-- generated: )(?P<name>[a-z-]+)(?P<rest>[^>]*-->\n).*?(?=<!-- end of (?P=name) -->)", re.S
)


def escaped(text: str) -> str:
    """Return text that Markdown shows unchanged, even in a table; code between backticks needs no escape."""
    return re.sub(r"(`[^`|]*`)|([*_<>|\[\]])", lambda found: found[1] or f"\\{found[2]}", " ".join(text.split()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; its cells are Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def with_generated(page: str, parts: Mapping[str, str]) -> str:
    """Return a page with its generated parts replaced; the rest was written by hand.

    A part is between ``<!-- generated: NAME, do not edit -->`` and ``<!-- end of NAME -->``.

    Raises:
        ValueError: If the page does not have exactly these parts.
    """
    marked = [found["name"] for found in _MARKED.finditer(page)]
    if sorted(marked) != sorted(parts):
        raise ValueError(f"the page has the parts {sorted(marked)} instead of {sorted(parts)}")
    return _MARKED.sub(lambda found: f"{found['name']}{found['rest']}\n{parts[found['name']]}\n", page)
