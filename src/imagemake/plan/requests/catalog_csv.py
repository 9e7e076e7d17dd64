"""Reads catalogs in CSV."""

from __future__ import annotations

import csv
import io
from array import array
from collections import deque
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

from imagemake.config.fields import normal
from imagemake.core.text import forbidden_character
from imagemake.plan.requests.catalog_reader import Reader, clean, digest_of
from imagemake.plan.requests.catalog_row import Records, Row

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}  # Excel takes the one of the system's region


class CsvReader(Reader):
    """Reads CSV."""

    def _rows_in(self, text: str, numbers: Collection[int] | None) -> Iterator[Row]:
        if numbers is not None:
            yield from self._some_rows_in(text, numbers)
            return
        columns, end = list[str](), 0
        must_check, separator = forbidden_character(text) is not None, _separator_of(text)
        lines = _cells(_lines(text), separator)
        try:
            for cells in lines:
                number, end = end + 1, lines.line_num
                if not any(cells):
                    continue  # spreadsheets leave empty lines behind
                if not columns:
                    columns = self._header(number, cells)
                elif values := self._csv_values(number, columns, cells, separator):
                    if must_check:
                        self._check_cells(number, values)
                    yield Row(number, values)
        except csv.Error as error:
            remedy = 'Double each quote inside quotes (""), and close every quote. No row after this one was read.'
            self.report(end + 1, f"invalid CSV: {error}.", remedy)

    def _some_rows_in(self, text: str, numbers: Collection[int]) -> Iterator[Row]:
        """Yield some rows of a catalog that has records, so that lines of other rows need no parsing."""
        separator, lines = _separator_of(text), _lines(text)
        header = _cells(lines, separator)
        start, columns = next((header.line_num, cells) for cells in header if any(cells))
        columns, end = self._header(start, columns), header.line_num
        for number in sorted(numbers):
            deque(islice(lines, number - 1 - end), maxlen=0)
            row = _cells(lines, separator)
            if values := self._csv_values(number, columns, next(row), separator):
                yield Row(number, values)
            end = number - 1 + row.line_num

    def _records_in(self, text: str) -> Records | None:
        if forbidden_character(text):  # one of them parts cells below
            return None
        columns, numbers, digests, end = list[str](), array("Q"), bytearray(), 0
        lines = _cells(_lines(text), _separator_of(text))
        try:
            for cells in lines:
                number, end = end + 1, lines.line_num
                if not any(cells):
                    continue
                if not columns:
                    columns = self._header(number, cells)
                else:
                    numbers.append(number)
                    digests += digest_of("\x1f".join(cells))
        except csv.Error:
            return None
        return Records(tuple(columns), numbers, bytes(digests))

    def _csv_values(self, number: int, columns: list[str], cells: list[str], separator: str) -> dict[str, str]:
        if len(cells) > len(columns):
            cells = _without_empty_end(cells, len(columns))
        if len(cells) != len(columns):
            name = _SEPARATORS[separator]
            remedy = f"Add or remove {name}s. Put a value that contains a {name} in quotes."
            if len(cells) < len(columns):
                # Filling up the row would hide a lost separator, and pay for what the shifted cells say.
                remedy += " Excel can leave out empty cells at the end of a row: put a column without any there."
            self.report(number, f"expected {len(columns)} cells, found {len(cells)}.", remedy)
            return {}
        return dict(zip(columns, map(clean, cells), strict=True))

    def _header(self, number: int, cells: list[str]) -> list[str]:
        self._check_number(len(cells))
        columns = _without_empty_end([normal(cell) for cell in cells], 1)
        for position, column in enumerate(columns, start=1):
            if not column:
                self.report(number, f"column {position} has no name.", "Name it, or remove the column.")
            elif column in columns[: position - 1]:
                self.report(number, f"two columns are named {column!r}.", "Rename or remove one.")
            else:
                self._check_column(number, column)
        return columns


def _lines(text: str) -> Iterator[str]:
    return io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8", newline="")  # StringIO takes 4 bytes per character


def _cells(lines: Iterator[str], separator: str) -> Any:
    return csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)


def _separator_of(text: str) -> str:
    """Return what divides the header into the most cells; a comma if others divide it into as many."""

    def n_columns(separator: str) -> int:
        try:
            return next((len(cells) for cells in _cells(_lines(text), separator) if any(cells)), 0)
        except csv.Error:
            return 0

    return max(_SEPARATORS, key=n_columns)


def _without_empty_end(cells: list[str], least: int) -> list[str]:
    """Return cells without the empty ones at the end, which spreadsheets add for columns that were used before."""
    n_cells = len(cells)
    while n_cells > least and not cells[n_cells - 1].strip():
        n_cells -= 1
    return cells[:n_cells]
