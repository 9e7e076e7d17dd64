"""The ledger as a table for people, as CSV for spreadsheets, or as JSON for programs.

Names come from catalogs; codes and request IDs come from servers. Their control characters never reach a terminal.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from io import StringIO
from itertools import chain, islice
from typing import Any

from imagemake.core.spreadsheet import safe_cell
from imagemake.core.text import printable
from imagemake.store.journal import Call
from imagemake.store.ledger import Sums, Tally, listed

FORMATS = ("table", "csv", "json")
UNKNOWN = "unknown"
TOTAL = "total"
WIDEST_CELL = 100  # characters
BLOCK_ROWS = 500  # rows aligned together; the first block appears before the last is read
CENT = ",.2f"
EXACT = ".6f"  # the precision of the journal

SHARED = "shared"  # a column only if images came from a team store
TALLY = ("calls", "made", "billed_usd", "cost_unknown", "worst_usd")
LISTED = ("at", "name", "attempt", "try", "model", "outcome", "code", "seconds", "cost_usd", "request_id")
NUMBERS = {*TALLY, SHARED, "attempt", "try", "seconds", "cost_usd"}
OFTEN_NONE = {"code", "request_id"}  # most calls have no error code: empty, not unknown

HEADINGS = {
    SHARED: "from the team",
    "made": "images made",
    "billed_usd": "billed USD",
    "cost_unknown": "cost unknown",
    "worst_usd": "outcome unknown, worst USD",
    "at": "time (UTC)",
    "cost_usd": "cost USD",
    "request_id": "request ID",
}

Row = Mapping[str, Any]


def lines_of_sums(sums: Sums, form: str) -> Iterator[str]:
    """Yield sums as lines: in cents in a table, with six decimal places otherwise; the total comes last.

    Args:
        sums: The sums.
        form: One of `FORMATS`.
    """
    told = (*TALLY, SHARED) if sums.total.shared else TALLY
    columns = (*sums.by, *told)
    groups = (
        {**dict(zip(sums.by, group, strict=True)), **_fields(tally, told)} for group, tally in sums.groups.items()
    )
    if form == "json":
        yield '{"groups": ['
        yield from _separated(groups)
        yield f'], "total": {_json(_fields(sums.total, told))}}}'
        return
    total = {**dict.fromkeys(sums.by, ""), sums.by[0]: TOTAL, **_fields(sums.total, told)}
    rows = chain(groups, [total])
    yield from _table(columns, rows, CENT) if form == "table" else _csv(columns, rows)


def lines_of_calls(calls: Iterable[Call], form: str) -> Iterator[str]:
    """Yield single calls as lines, each as soon as it is read.

    Args:
        calls: The calls.
        form: One of `FORMATS`.
    """
    rows = map(listed, calls)
    if form == "json":
        yield "["
        yield from _separated(rows)
        yield "]"
        return
    yield from _table(LISTED, rows, EXACT) if form == "table" else _csv(LISTED, rows)


def _fields(tally: Tally, names: Sequence[str]) -> Row:
    return {name: getattr(tally, name) for name in names}


def _table(columns: Sequence[str], rows: Iterable[Row], usd_form: str) -> Iterator[str]:
    heading = [HEADINGS.get(column, column) for column in columns]
    widths = [len(cell) for cell in heading]
    cells = ([_cut(_cell(column, row[column], usd_form)) for column in columns] for row in rows)
    lines = chain([heading], cells)
    while block := list(islice(lines, BLOCK_ROWS)):
        widths = [max(width, *map(len, cells)) for width, *cells in zip(widths, *block, strict=True)]
        for line in block:
            aligned = zip(columns, line, widths, strict=True)
            yield "  ".join(c.rjust(w) if column in NUMBERS else c.ljust(w) for column, c, w in aligned).rstrip()


def _csv(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="")
    kept = [str if column in NUMBERS else safe_cell for column in columns]
    cells = (
        [safe(_cell(column, row[column], EXACT)) for column, safe in zip(columns, kept, strict=True)] for row in rows
    )
    for line in chain([columns], cells):
        writer.writerow(line)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _cell(column: str, value: Any, usd_form: str) -> str:
    if value is None:
        return "" if column in OFTEN_NONE else UNKNOWN
    if isinstance(value, Decimal):
        return _usd(value, usd_form)
    text = f"{value:,}" if usd_form is CENT and isinstance(value, int) else str(value)
    return printable(text)


def _usd(usd: Decimal, form: str) -> str:
    shown = format(usd, form)
    return f"<{shown[:-1]}1" if usd and not shown.strip("0.") else shown  # a tenth of a cent is not zero


def _cut(cell: str) -> str:
    return cell if len(cell) <= WIDEST_CELL else f"{cell[: WIDEST_CELL - 1]}…"


def _separated(rows: Iterable[Row]) -> Iterator[str]:
    before: Row | None = None
    for row in rows:
        if before is not None:
            yield f"{_json(before)},"
        before = row
    if before is not None:
        yield _json(before)


def _json(row: Row) -> str:
    # json escapes all but ASCII; orjson would let control characters above 0x7f through.
    return json.dumps(row, default=lambda usd: float(format(usd, EXACT)))
