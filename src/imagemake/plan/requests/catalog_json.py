"""Reads catalogs in JSON and JSON Lines."""

from __future__ import annotations

import json
from array import array
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from imagemake.config.fields import normal
from imagemake.config.parameters import PREFIX
from imagemake.config.spelled import SpelledFloat, plain
from imagemake.core.secrets import shown
from imagemake.core.text import scalar_text
from imagemake.plan.requests.catalog_reader import Reader, clean, digest_of
from imagemake.plan.requests.catalog_row import Records, Row
from imagemake.plan.requests.references import REFERENCES, SEPARATOR

Items = Iterator[tuple[int, dict[str, str]]]  # numbers and cells


class JsonReader(Reader):
    """Reads a list of objects."""

    def _rows_in(self, text: str, numbers: Collection[int] | None) -> list[Row]:
        rows = self._aligned(list(self._items(text)))
        return rows if numbers is None else [row for row in rows if row.number in numbers]

    def _records_in(self, text: str) -> Records | None:
        columns, digests, numbers = dict[str, None](), bytearray(), array("Q")
        for number, values in self._items(text):
            new = [column for column in values if column not in columns]
            columns.update(dict.fromkeys(new))
            self._check_columns((column, number) for column in new)
            self._check_cells(number, values)
            numbers.append(number)
            digests += digest_of(repr(values))
        self._check_number(len(columns))
        return Records(tuple(columns), numbers, bytes(digests))

    def _items(self, text: str) -> Items:
        try:
            found = json.loads(text, object_pairs_hook=_Pairs, parse_float=_spelled)
        except json.JSONDecodeError as error:
            self.report(
                f"line {error.lineno}", f"invalid JSON at column {error.colno}: {error.msg}.", "Correct the JSON."
            )
            return
        except (ValueError, RecursionError) as error:  # a number with thousands of digits, or deep nesting
            self.report(None, f"this JSON cannot be read: {error}.", "Write a list of flat objects.")
            return
        if not isinstance(found, list) or isinstance(found, _Pairs):
            self.report(None, "the file does not contain a list.", "Write a list of objects: [{...}, {...}].")
            return
        yield from ((number, self._flat(number, item)) for number, item in enumerate(found, start=1))

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
            return "" if value is None else clean(scalar_text(value))
        except ValueError as error:
            self.report(number, f"column {column!r}: {error}.", "Write a number, or put it in quotes.")
            return ""

    def _aligned(self, found: list[tuple[int, dict[str, str]]]) -> list[Row]:
        first = dict[str, int]()
        for number, values in found:
            for column in values:
                first.setdefault(column, number)
        self._check_number(len(first))
        self._check_columns(first.items())
        empty = dict.fromkeys(first, "")
        for number, values in found:
            self._check_cells(number, values)
        return [Row(number, {**empty, **values}) for number, values in found]

    def _check_columns(self, found: Iterable[tuple[str, int]]) -> None:
        for column, number in found:
            if column:
                self._check_column(number, column)
            else:
                self.report(number, "a column has no name.", "Name it, or remove it.")


class JsonLinesReader(JsonReader):
    """Reads one object per line."""

    def _items(self, text: str) -> Items:
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            try:
                yield number, self._flat(number, json.loads(line, object_pairs_hook=_Pairs, parse_float=_spelled))
            except json.JSONDecodeError as error:
                self.report(
                    number, f"invalid JSON at column {error.colno}: {error.msg}.", "Write one whole object per line."
                )
            except (ValueError, RecursionError) as error:
                self.report(number, f"this JSON cannot be read: {error}.", "Write one flat object per line.")


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
