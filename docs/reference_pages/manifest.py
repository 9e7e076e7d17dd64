"""The columns of the manifest, from its row model, for docs/reference/manifest.md."""

from __future__ import annotations

from collections.abc import Iterator

from imagemake.release.manifest.columns import Column, output_column
from imagemake.release.manifest.row import COLUMNS, GROUPS, OF_OUTPUT
from imagemake.release.manifest.schema import KINDS
from reference_pages.markdown import escaped, table


def columns_table() -> str:
    """Return the table of all columns."""
    return table(["column", "type", "content"], _rows())


def _rows() -> Iterator[list[str]]:
    for name, column in COLUMNS.items():
        optional = ", may be empty" if column.may_be_empty else ""
        yield [f"`{name}`", _type(column) + optional, escaped(column.meaning)]
    for group in GROUPS.values():
        yield [f"`{group.prefix}.*`", "depends on the values", escaped(group.meaning)]
    for name in OF_OUTPUT:
        yield [f"`{output_column('LABEL', name)}`", _type(COLUMNS[name]), f"Like `{name}`, for the output"]


def _type(column: Column) -> str:
    return KINDS[column.kind][1] + (f" in {column.unit}" if column.unit else "")
