"""Reads catalogs in CSV, JSON, and JSON Lines, and reports all mistakes at once."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagemake.config.fields import TAKE, normal
from imagemake.config.parameters import PREFIX
from imagemake.config.spelled import SpelledFloat, plain
from imagemake.core.given_file import read_given
from imagemake.core.host_errors import reason_of
from imagemake.core.problems import Problem, UserError
from imagemake.core.secrets import shown
from imagemake.core.text import forbidden_character, scalar_text, with_plain_line_ends
from imagemake.plan.requests.references import REFERENCES, SEPARATOR

MOST_COLUMNS = 10_000
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}  # Excel takes the one of the system's region
_UTF8 = "Save the file as UTF-8 (in a spreadsheet: export as 'CSV UTF-8')."


@dataclass(frozen=True, slots=True)
class Row:
    """One subject.

    Attributes:
        number: As a user counts it in the file, from 1: the row in CSV, the line in JSON Lines, the element in JSON.
        values: Values by column, without surrounding blanks. Line ends are line feeds; an empty cell is an empty text.
    """

    number: int
    values: Mapping[str, str]


def read_catalog(path: str | Path) -> list[Row]:
    """Read a catalog in the format of its suffix.

    Args:
        path: A .csv, .json, or .jsonl file in UTF-8, with or without a byte order mark. Cells of a .csv file are
            separated by commas, semicolons, or tabs.

    Returns:
        One or more rows, all with the same columns.

    Raises:
        UserError: If the catalog has mistakes; it lists each of them with its row or line.
    """
    reader = _Reader(str(path))
    rows = reader.read(Path(path))
    if not rows and not reader.problems:
        reader.report(None, "the catalog has no rows.", "Write one row per subject.")
    if reader.problems:
        raise UserError(reader.problems)
    return rows


class _Reader:
    """Reads one file and collects its mistakes."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def report(self, place: str | int | None, what: str, remedy: str) -> None:
        """Collect a problem; a number is a row's number."""
        place = f"row {place}" if isinstance(place, int) else place
        self.problems.append(Problem(f"{self.path}, {place}" if place else self.path, what, remedy))

    def read(self, path: Path) -> list[Row]:
        readers: dict[str, Callable[[str], list[Row]]] = {".csv": self._csv, ".json": self._json, ".jsonl": self._jsonl}
        read = readers.get(path.suffix.lower())
        if read is None:
            self.report(None, "this file is not a catalog.", f"Use a file that ends in {' or '.join(readers)}.")
            return []
        try:
            data = read_given(path)
        except FileNotFoundError as error:
            self.report(None, f"the catalog cannot be read: {error.strerror}.", "Correct the path under catalog.")
            return []
        except OSError as error:
            what, remedy = reason_of(error)
            self.report(None, f"the catalog cannot be read: {what}.", remedy)
            return []
        text = self._decoded(data)
        return [] if text is None else read(text)

    def _decoded(self, data: bytes) -> str | None:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self.report(None, "the file is in UTF-16.", _UTF8)
            return None
        data = data.removeprefix(codecs.BOM_UTF8)
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
        offset = 0
        for number, line in enumerate(data.split(b"\n"), start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                what = f"byte 0x{line[error.start]:02x} at offset {offset + error.start} is not UTF-8."
                self.report(f"line {number}", what, _UTF8)
            offset += len(line) + 1
        return data.decode(errors="replace")  # to find further mistakes

    def _csv(self, text: str) -> list[Row]:
        separator = _separator_of(text)
        lines = _cells(text, separator)
        rows, columns, end = list[Row](), list[str](), 0
        must_check = forbidden_character(text) is not None
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
                    rows.append(Row(number, values))
        except csv.Error as error:
            remedy = 'Double each quote inside quotes (""), and close every quote. No row after this one was read.'
            self.report(end + 1, f"invalid CSV: {error}.", remedy)
        return rows

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
        return dict(zip(columns, map(_clean, cells), strict=True))

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

    def _json(self, text: str) -> list[Row]:
        try:
            found = json.loads(text, object_pairs_hook=_Pairs, parse_float=_spelled)
        except json.JSONDecodeError as error:
            self.report(
                f"line {error.lineno}", f"invalid JSON at column {error.colno}: {error.msg}.", "Correct the JSON."
            )
            return []
        except (ValueError, RecursionError) as error:  # a number with thousands of digits, or deep nesting
            self.report(None, f"this JSON cannot be read: {error}.", "Write a list of flat objects.")
            return []
        if not isinstance(found, list) or isinstance(found, _Pairs):
            self.report(None, "the file does not contain a list.", "Write a list of objects: [{...}, {...}].")
            return []
        return self._aligned([(number, self._flat(number, item)) for number, item in enumerate(found, start=1)])

    def _jsonl(self, text: str) -> list[Row]:
        found = []
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            try:
                found.append(
                    (number, self._flat(number, json.loads(line, object_pairs_hook=_Pairs, parse_float=_spelled)))
                )
            except json.JSONDecodeError as error:
                self.report(
                    number, f"invalid JSON at column {error.colno}: {error.msg}.", "Write one whole object per line."
                )
            except (ValueError, RecursionError) as error:
                self.report(number, f"this JSON cannot be read: {error}.", "Write one flat object per line.")
        return self._aligned(found)

    def _flat(self, number: int, item: Any) -> dict[str, str]:
        """Turn one element into cells; `parameters: {size: ...}` becomes `parameters.size`."""
        values: dict[str, str] = {}
        if not isinstance(item, _Pairs):
            self.report(number, f"{shown(item)} is not an object.", 'Write an object: {"column": "value"}.')
            return values
        for key, value in _with_nested_parameters(item):
            column = normal(key)
            if column in values:
                self.report(number, f"column {column!r} appears twice.", "Remove one.")
            elif column == REFERENCES and _is_paths(value):
                values[column] = SEPARATOR.join(value)
            elif isinstance(value, list):
                kind = "an object" if isinstance(value, _Pairs) else "a list"
                self.report(
                    number, f"column {column!r} contains {kind}.", "Write text, a number, true, false, or null."
                )
            else:
                # A parameter is a number in the request, so its spelling must not make it a text.
                cell = plain(value) if column.startswith(PREFIX) else value
                values[column] = self._cell(number, column, cell)
        return values

    def _cell(self, number: int, column: str, value: str | float | bool | None) -> str:
        try:
            return "" if value is None else _clean(scalar_text(value))
        except ValueError as error:
            self.report(number, f"column {column!r}: {error}.", "Write a number, or put it in quotes.")
            return ""

    def _aligned(self, found: list[tuple[int, dict[str, str]]]) -> list[Row]:
        columns = dict.fromkeys(column for _, values in found for column in values)
        self._check_number(len(columns))
        for column in columns:
            number = next(number for number, values in found if column in values)
            if column:
                self._check_column(number, column)
            else:
                self.report(number, "a column has no name.", "Name it, or remove it.")
        empty = dict.fromkeys(columns, "")
        for number, values in found:
            self._check_cells(number, values)
        return [Row(number, {**empty, **values}) for number, values in found]

    def _check_number(self, n_columns: int) -> None:
        if n_columns > MOST_COLUMNS:
            what = f"the catalog has {n_columns:,} columns; at most {MOST_COLUMNS:,} are read."
            raise UserError(Problem(self.path, what, "Write one row per subject, and one column per property."))

    def _check_column(self, number: int, column: str) -> None:
        if "{" in column or "}" in column or forbidden_character(column):
            self.report(
                number,
                f"{column!r} cannot be the name of a column.",
                "Use a name without braces and control characters.",
            )
        elif column == TAKE:
            self.report(number, "the column name 'take' is reserved for the number of the take.", "Rename the column.")

    def _check_cells(self, number: int, values: Mapping[str, str]) -> None:
        if not forbidden_character("".join(values.values())):
            return
        for column, value in values.items():
            if character := forbidden_character(value):
                self.report(number, f"column {column!r} contains the control character {character}.", "Remove it.")


def _cells(text: str, separator: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)


def _separator_of(text: str) -> str:
    """Return what divides the header into the most cells; a comma if others divide it into as many."""

    def n_columns(separator: str) -> int:
        try:
            return next((len(cells) for cells in _cells(text, separator) if any(cells)), 0)
        except csv.Error:
            return 0

    return max(_SEPARATORS, key=n_columns)


def _without_empty_end(cells: list[str], least: int) -> list[str]:
    """Return cells without the empty ones at the end, which spreadsheets add for columns that were used before."""
    n_cells = len(cells)
    while n_cells > least and not cells[n_cells - 1].strip():
        n_cells -= 1
    return cells[:n_cells]


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it is written, with repeated keys."""


def _spelled(written: str) -> float:
    number = float(written)
    return number if repr(number) == written else SpelledFloat(number, written)


def _with_nested_parameters(item: _Pairs) -> Iterator[tuple[str, Any]]:
    for key, value in item:
        if normal(key) == PREFIX.removesuffix(".") and isinstance(value, _Pairs):
            yield from ((PREFIX + normal(inner), nested) for inner, nested in value)
        else:
            yield key, value


def _is_paths(value: object) -> bool:
    if not isinstance(value, list) or isinstance(value, _Pairs):
        return False
    return all(isinstance(path, str) and SEPARATOR not in path for path in value)


def _clean(cell: str) -> str:
    return with_plain_line_ends(cell).strip()
