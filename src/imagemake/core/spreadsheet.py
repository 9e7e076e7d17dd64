"""Protect cells from being run as formulas by a spreadsheet.

Excel, LibreOffice, and Google Sheets run a cell that starts like a formula, and catalogs can contain text from anyone.
`safe_cell` puts an apostrophe before such text. `plain_cell` removes exactly the apostrophes that `safe_cell` added.
"""

from __future__ import annotations

import re

# Full-width forms count too: with Japanese or Chinese settings, spreadsheets run them.
_FORMULA = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_OPENING = re.compile(rf"[;\s'\0]*+{_FORMULA}|[ ']*+[\t\r\n\0]")
_SPLIT = re.compile(r"[;\r\n]")
# With the list separators of most of Europe, Excel splits cells of a comma-separated file at `;` and at line breaks,
# even inside quotes. The lookbehind allows a match only at the start of a run, so that hostile text takes linear time.
_RUN_BEFORE_FORMULA = re.compile(rf"(?<![;\s'\0])[;\s'\0]++(?={_FORMULA})")


def safe_cell(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula; plain numbers stay unchanged."""
    if text.isalnum() or _NUMBER.fullmatch(text):
        return text
    inside = text
    if _SPLIT.search(text):
        inside = _RUN_BEFORE_FORMULA.sub(lambda run: _SPLIT.sub(r"\g<0>'", run[0]), text)
    return "'" + inside if _OPENING.match(text) else inside


def plain_cell(cell: str) -> str:
    """Undo `safe_cell`."""
    if "'" not in cell:
        return cell
    inside = cell[1:] if cell.startswith("'") and _OPENING.match(cell) else cell
    return _RUN_BEFORE_FORMULA.sub(lambda run: re.sub(r"([;\r\n])'", r"\1", run[0]), inside)
