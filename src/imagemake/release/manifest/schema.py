"""JSON schemas of what a release tells about its images, and the documentation of its columns, from one list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import orjson

from imagemake.release.manifest.columns import (
    COLUMNS,
    GROUPS,
    MANIFEST_VERSION,
    OF_OUTPUT,
    Column,
    Kind,
    Verdict,
    output_column,
)

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES: Mapping[str, Schema] = {
    "text": {"type": "string"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "json": {"type": "string", "contentMediaType": "application/json"},
    "whole": {"type": "integer"},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
}
_WORDS = {
    "text": "text",
    "texts": "list of texts",
    "json": "JSON as text",
    "whole": "whole number",
    "number": "number",
    "flag": "true or false",
    "time": "time",
}
_ABOUT = (
    "Each row of manifest.parquet is such an object. manifest.csv has the same columns as text: an empty cell is null, "
    "a list is joined by '; ', and text that a spreadsheet would run stands behind an apostrophe."
)


def manifest_schema(kinds: Mapping[str, Kind] | None = None) -> Schema:
    """Return the JSON schema of a row of the manifest.

    Args:
        kinds: The columns of one release, in their order; None for what every release has in common.
    """
    if kinds is None:
        properties = {name: of_column(column) for name, column in COLUMNS.items()}
        anything: Schema = {"patternProperties": dict(_patterns()), "required": list(properties)}
    else:
        properties = {name: of_column(about(name, kind)) for name, kind in kinds.items()}
        anything = {"required": list(properties)}
    properties["verdict"]["enum"] = list(get_args(Verdict))
    return {
        "$schema": DIALECT,
        "$id": f"urn:imagemake:manifest:{MANIFEST_VERSION}",
        "title": "A row of the manifest",
        "description": _ABOUT,
        "version": MANIFEST_VERSION,
        "type": "object",
        "properties": properties,
        **anything,
        "additionalProperties": False,
    }


def about(name: str, kind: Kind) -> Column:
    """Describe a column of a release, of whatever group; `kind` is what it is there."""
    if name in COLUMNS:
        return COLUMNS[name]
    group, _, rest = name.partition(".")
    if group in GROUPS:
        return Column(kind, f"{GROUPS[group].meaning}: {rest}", may_be_empty=True)
    label, _, column = rest.partition(".")
    of_main = COLUMNS[column]
    return Column(kind, f"{of_main.meaning} (output {label})", of_main.unit, may_be_empty=True, pattern=of_main.pattern)


def of_column(column: Column) -> Schema:
    """Return the JSON schema of a column's values."""
    schema = dict(_TYPES[column.kind])
    if column.may_be_empty:
        schema["type"] = [schema["type"], "null"]
    if column.pattern:
        schema["pattern"] = column.pattern
    schema["description"] = f"{column.meaning}."
    if column.unit:
        schema["unit"] = column.unit
    return schema


def _patterns() -> Iterator[tuple[str, Schema]]:
    for prefix, group in GROUPS.items():
        yield rf"^{prefix}\.", {"type": ["string", "number", "boolean", "null"], "description": f"{group.meaning}."}
    for name in OF_OUTPUT:
        yield rf"^output\.[^.]+\.{name}$", of_column(about(output_column("LABEL", name), COLUMNS[name].kind))


def schema_bytes(schema: Schema) -> bytes:
    """Write a schema as a file."""
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def columns_markdown() -> str:
    """Return the table of the columns, for the documentation."""
    lines = ["| column | holds | unit | what it is |", "|---|---|---|---|"]
    for name, column in COLUMNS.items():
        kind = _WORDS[column.kind] + (", may be empty" if column.may_be_empty else "")
        lines.append(f"| `{name}` | {kind} | {column.unit} | {column.meaning} |")
    for prefix, group in GROUPS.items():
        lines.append(f"| `{prefix}.*` | as it is | | {group.meaning} |")
    for name in OF_OUTPUT:
        of_main = COLUMNS[name]
        lines.append(
            f"| `output.LABEL.{name}` | {_WORDS[of_main.kind]} | {of_main.unit} | As `{name}`, of that output |"
        )
    return "\n".join(lines) + "\n"
