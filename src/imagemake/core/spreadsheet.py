"""Text that a spreadsheet shows and does not run.

A cell that begins like a formula is one for Excel, LibreOffice and Google Sheets, and what is in a catalog can come
from anybody. Such a cell gets a leading apostrophe. `plain_cell` takes exactly the apostrophes away that `safe_cell`
added, whatever the text was.
"""

from __future__ import annotations

import re

# The full-width forms count too: a spreadsheet set to Japanese or Chinese runs them.
_FORMULA = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_OPENING = re.compile(rf"[;\s'\0]*+{_FORMULA}|[ ']*+[\t\r\n\0]")
_SPLIT = re.compile(r"[;\r\n]")
# Where lists are separated by semicolons (most of Europe), Excel ends cells of a comma file at `;` and at line breaks,
# also inside of quotes. The lookbehind lets a match begin only where a run begins, which keeps hostile text linear.
_RUN_BEFORE_FORMULA = re.compile(rf"(?<![;\s'\0])[;\s'\0]++(?={_FORMULA})")


def safe_cell(text: str) -> str:
    """Put an apostrophe before whatever a spreadsheet would take for a formula; plain numbers stay as they are."""
    if text.isalnum() or _NUMBER.fullmatch(text):
        return text
    inside = text
    if _SPLIT.search(text):
        inside = _RUN_BEFORE_FORMULA.sub(lambda run: _SPLIT.sub(r"\g<0>'", run[0]), text)
    return "'" + inside if _OPENING.match(text) else inside


def plain_cell(cell: str) -> str:
    """Return the text that `safe_cell` was given."""
    if "'" not in cell:
        return cell
    inside = cell[1:] if cell.startswith("'") and _OPENING.match(cell) else cell
    return _RUN_BEFORE_FORMULA.sub(lambda run: re.sub(r"([;\r\n])'", r"\1", run[0]), inside)
