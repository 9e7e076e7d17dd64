"""The values of each column of the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

import orjson

from imagemake.release.manifest.columns import Column, Kind, output_column, output_labels
from imagemake.release.manifest.row import COLUMNS, GROUPS, OF_OUTPUT, ManifestRow

# By name: the column, and its value in each row.
Table: TypeAlias = Mapping[str, tuple[Column, Sequence[Any]]]


def table_of(rows: Sequence[ManifestRow], columns: Mapping[str, Column]) -> Table:
    """Return the values of rows in the columns of a release."""
    values: dict[str, Sequence[Any]] = {name: list(map(attrgetter(name), rows)) for name in COLUMNS}
    for label in output_labels(columns):
        files = [row.outputs.get(label) for row in rows]
        for name in OF_OUTPUT:
            value = attrgetter(name)
            values[output_column(label, name)] = [None if file is None else value(file) for file in files]
    for field, group in GROUPS.items():
        mappings, start = list(map(attrgetter(field), rows)), f"{group.prefix}."
        for column in columns:
            if column.startswith(start):
                values[column] = [mapping.get(column.removeprefix(start)) for mapping in mappings]
    return {name: (column, _stored(column.kind, values[name])) for name, column in columns.items()}


def _stored(kind: Kind, values: Sequence[Any]) -> Sequence[Any]:
    if kind == "json":
        return [orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode() if value else None for value in values]
    if kind == "text":  # a parameter can be a number in one row and a word in another
        return [value if value is None or isinstance(value, str) else orjson.dumps(value).decode() for value in values]
    return values
