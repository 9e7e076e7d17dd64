"""JSON schemas of the manifest's rows, made from the row model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from imagemake.release.manifest.columns import Column, Kind
from imagemake.release.manifest.row import COLUMNS, GROUPS, MANIFEST_VERSION, OF_OUTPUT

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# The JSON schema and the words of each kind.
KINDS: Mapping[Kind, tuple[Schema, str]] = {
    "text": ({"type": "string"}, "text"),
    "texts": ({"type": "array", "items": {"type": "string"}}, "list of texts"),
    "json": ({"type": "string", "contentMediaType": "application/json"}, "JSON as text"),
    "whole": ({"type": "integer"}, "whole number"),
    "number": ({"type": "number"}, "number"),
    "flag": ({"type": "boolean"}, "true or false"),
    "time": ({"type": "string", "format": "date-time"}, "time"),
}
_ABOUT = (
    "Each row of manifest.parquet is such an object. manifest.csv has the same columns as text: an empty cell is null, "
    "'; ' separates the items of a list, and an apostrophe precedes text that a spreadsheet would run as a formula."
)


def manifest_schema(columns: Mapping[str, Column] | None = None) -> Schema:
    """Return the JSON schema of a row of the manifest.

    Args:
        columns: The columns of one release, in their order; None for what all releases have in common.
    """
    properties = {name: schema_of(column) for name, column in (columns or COLUMNS).items()}
    return {
        "$schema": DIALECT,
        "$id": f"urn:imagemake:manifest:{MANIFEST_VERSION}",
        "title": "A row of the manifest",
        "description": _ABOUT,
        "version": MANIFEST_VERSION,
        "type": "object",
        "properties": properties,
        **({"patternProperties": dict(_patterns())} if columns is None else {}),
        "required": list(properties),
        "additionalProperties": False,
    }


def of_output(label: str, name: str) -> Column:
    """Describe a column of an additional output, which means what the same column means for the main output."""
    main = COLUMNS[name]
    return replace(main, meaning=f"{main.meaning} (output {label})", may_be_empty=True)


def schema_of(column: Column) -> Schema:
    """Return the JSON schema of a column's values."""
    schema = dict(KINDS[column.kind][0])
    if column.may_be_empty:
        schema["type"] = [schema["type"], "null"]
    if column.pattern:
        schema["pattern"] = column.pattern
    schema["description"] = f"{column.meaning}."
    if column.unit:
        schema["unit"] = column.unit
    if column.values:
        schema["enum"] = list(column.values)
    return schema


def _patterns() -> Iterator[tuple[str, Schema]]:
    for group in GROUPS.values():
        types = ["string", "number", "boolean", "null"]
        yield rf"^{group.prefix}\.", {"type": types, "description": f"{group.meaning}."}
    for name in OF_OUTPUT:
        yield rf"^output\.[^.]+\.{name}$", schema_of(of_output("LABEL", name))


def schema_bytes(schema: Schema) -> bytes:
    """Return the bytes of a schema's file."""
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
