"""The columns of the manifest, from its row model, for docs/reference/manifest.md."""

from __future__ import annotations

from collections.abc import Iterator

from imagemake.release.manifest.columns import output_column
from imagemake.release.manifest.row import COLUMNS, GROUPS, OF_OUTPUT
from imagemake.release.manifest.schema import KINDS
from reference_pages.markdown import table


def columns_table() -> str:
    """Return the table of all columns."""
    return table(["column", "type", "unit", "content"], _rows())


def _rows() -> Iterator[list[str]]:
    for name, column in COLUMNS.items():
        kind = KINDS[column.kind][1] + (", may be empty" if column.may_be_empty else "")
        yield [f"`{name}`", kind, column.unit, column.meaning]
    for group in GROUPS.values():
        yield [f"`{group.prefix}.*`", "depends on the values", "", group.meaning]
    for name in OF_OUTPUT:
        column = COLUMNS[name]
        yield [
            f"`{output_column('LABEL', name)}`",
            KINDS[column.kind][1],
            column.unit,
            f"Like `{name}`, for the output",
        ]
