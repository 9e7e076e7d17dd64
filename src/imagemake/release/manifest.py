"""What a release holds: one entry a request, written as a table for people and one for programs.

``manifest.csv`` opens in a spreadsheet: UTF-8 with a byte order mark, reasons joined by ``; ``, and text that begins
like a formula behind an apostrophe, which `read_manifest` takes away again. ``manifest.parquet`` holds the same columns
as they are, typed: ``pandas.read_parquet`` gives whole numbers that may be missing, times in UTC, and reasons as lists.
Variables, parameters and measures are columns of their own, such as ``variable.color`` and ``measure.tone.contrast``;
earlier attempts are one column of JSON.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import orjson

from imagemake.files import write_whole
from imagemake.release.spreadsheet import plain_cell, safe_cell

Verdict = Literal["accepted", "rejected", "review", "refused", "failed", "pending"]
Value = str | int | float | bool


class EarlierAttempt(TypedDict):
    """An attempt before the one that is shown; `cost_usd` None or absent is unknown."""

    attempt: int
    key: str
    prompt: str
    seed: int
    reasons: Sequence[str]
    raw_digest: str | None
    cost_usd: NotRequired[float | None]
    seconds: NotRequired[float | None]
    tries: NotRequired[int]
    unknown_calls: NotRequired[int]
    unknown_worst_usd: NotRequired[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request, and what became of it.

    Attributes:
        name: The request's name, unique in a release.
        file: The released picture, relative to the release folder; None where there is none.
        verdict: `refused` by the provider, `failed` on the way, `pending` where this run did not make it.
        reasons: Why it is not accepted, for people. What stands before the first colon is the reason's code.
        prompt: As it was sent for the shown attempt.
        negative_prompt: What the picture must not show.
        provider: Registered name of the provider.
        model: Model name with its version.
        model_label: What the campaign calls it: a label of more_models, or the same name.
        seed: Seed of the shown attempt.
        parameters: Parameters of the model.
        key: Key of the shown attempt, 64 hexadecimal digits.
        attempt: Number of the shown attempt, from 0.
        attempts: How many attempts were made.
        catalog_row: Row of the catalog.
        take: Number of the take, from 1.
        variables: What the prompt's placeholders stood for.
        references: Paths of the reference pictures that were sent, in their order.
        reference_digests: SHA-256 of each one's content.
        mask: Path of the mask that was sent.
        mask_digest: SHA-256 of its content.
        request_id: The provider's own name of the call.
        generated_at: When the raw picture came, ISO 8601 in UTC.
        seconds: Duration of the call for the shown attempt.
        cost_usd: Cost of the shown attempt, all its calls that were answered; None where it is unknown.
        unknown_calls: Calls for it that nobody answered: each may have been billed beside that.
        unknown_worst_usd: What these can have cost at most; None where there are none, or nobody knows.
        width_px: Width of the released picture.
        height_px: Height of the released picture.
        bytes: Size of the released file.
        digest: SHA-256 of the released file.
        finished_digest: SHA-256 of the same picture in the store, without XMP.
        raw_digest: SHA-256 of the raw picture of the shown attempt; None where none came.
        measures: Quantities that were read from the picture.
        cached: Whether the raw picture was there before this run.
        tries: Calls made for the shown attempt's key, ever.
        shared: Whether the raw picture came from the team's store, so that somebody else paid for it.
        history: Earlier attempts, oldest first.
    """

    name: str
    verdict: Verdict
    prompt: str
    provider: str
    model: str
    seed: int
    key: str
    catalog_row: int
    file: str | None = None
    reasons: tuple[str, ...] = ()
    negative_prompt: str | None = None
    model_label: str | None = None
    parameters: Mapping[str, Value] = field(default_factory=dict)
    attempt: int = 0
    attempts: int = 0
    take: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    reference_digests: tuple[str, ...] = ()
    mask: str | None = None
    mask_digest: str | None = None
    request_id: str | None = None
    generated_at: str | None = None
    seconds: float | None = None
    cost_usd: float | None = None
    unknown_calls: int = 0
    unknown_worst_usd: float | None = None
    width_px: int | None = None
    height_px: int | None = None
    bytes: int | None = None
    digest: str | None = None
    finished_digest: str | None = None
    raw_digest: str | None = None
    measures: Mapping[str, Value] = field(default_factory=dict)
    cached: bool = False
    tries: int = 0
    shared: bool = False
    history: tuple[EarlierAttempt, ...] = ()

    @property
    def made(self) -> bool:
        """Whether the provider was asked for the shown attempt."""
        return self.tries > 0 or self.raw_digest is not None

    @property
    def spent_usd(self) -> float | None:
        """Cost of all attempts together; None where that of one is unknown."""
        costs = [earlier.get("cost_usd") for earlier in self.history]
        if self.made:
            costs.append(self.cost_usd)
        known = [cost for cost in costs if cost is not None]
        return round(sum(known), 9) if len(known) == len(costs) else None


# Column, and its kind: what it is in Parquet and, after reading, in pandas.
_COLUMNS = {
    "name": "text",
    "file": "text",
    "verdict": "text",
    "reasons": "texts",
    "prompt": "text",
    "negative_prompt": "text",
    "provider": "text",
    "model": "text",
    "model_label": "text",
    "seed": "whole",
    "key": "text",
    "attempt": "whole",
    "attempts": "whole",
    "catalog_row": "whole",
    "take": "whole",
    "references": "texts",
    "reference_digests": "texts",
    "mask": "text",
    "mask_digest": "text",
    "request_id": "text",
    "generated_at": "time",
    "seconds": "number",
    "cost_usd": "number",
    "spent_usd": "number",
    "unknown_calls": "whole",
    "unknown_worst_usd": "number",
    "width_px": "whole",
    "height_px": "whole",
    "bytes": "whole",
    "digest": "text",
    "finished_digest": "text",
    "raw_digest": "text",
    "cached": "flag",
    "tries": "whole",
    "shared": "flag",
    "history": "json",
}
_LONGEST_CELL = 2**31 - 1
_GROUPS = {"variable": "variables", "parameter": "parameters", "measure": "measures"}


def write_manifest(entries: Iterable[Entry], csv_path: Path, parquet_path: Path) -> None:
    """Write both tables, one row a request, sorted by name; equal entries give equal bytes.

    Args:
        entries: The requests, in any order.
        csv_path: Table for people.
        parquet_path: Table for programs.
    """
    rows = [_row(entry) for entry in sorted(entries, key=lambda entry: entry.name)]
    kinds = {**_COLUMNS, **_kinds_of_groups(rows)}
    write_whole(csv_path, _csv(rows, kinds))
    write_whole(parquet_path, _parquet(rows, kinds))


def read_manifest(csv_path: Path) -> list[dict[str, str]]:
    """Read the CSV back: every cell as text, without the apostrophes that guard spreadsheets."""
    csv.field_size_limit(_LONGEST_CELL)  # Python's own limit is below what the history of a long prompt can be
    with csv_path.open(encoding="utf-8-sig", newline="") as file:
        return [{plain_cell(key): plain_cell(cell) for key, cell in row.items()} for row in csv.DictReader(file)]


def _row(entry: Entry) -> dict[str, Any]:
    row = {column: getattr(entry, column) for column in _COLUMNS}
    row.update({column: list(row[column]) for column, kind in _COLUMNS.items() if kind == "texts"})
    row["history"] = orjson.dumps(entry.history, option=orjson.OPT_SORT_KEYS).decode() if entry.history else None
    for prefix, group in _GROUPS.items():
        row.update({f"{prefix}.{name}": value for name, value in getattr(entry, group).items()})
    return row


def _kinds_of_groups(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    found: dict[str, set[type]] = {}
    for column, value in chain.from_iterable(row.items() for row in rows):
        if column not in _COLUMNS:
            found.setdefault(column, set()).add(type(value))
    order = list(_GROUPS)
    columns = sorted(found, key=lambda column: (order.index(column.partition(".")[0]), column))
    return {column: _kind_of(found[column]) for column in columns}


def _kind_of(types: set[type]) -> str:
    # Whole numbers count as numbers, so that a measure of exactly 1 does not change a column's type between releases.
    if types <= {int, float}:
        return "number"
    return "flag" if types == {bool} else "text"


def _csv(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> bytes:
    buffer = io.StringIO()
    # All text in quotes: Python 3.11 would leave a lone carriage return without.
    writer = csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(safe_cell(column) for column in kinds)
    for row in rows:
        writer.writerow(_cell(row.get(column)) for column in kinds)
    return buffer.getvalue().encode("utf-8-sig")


def _cell(value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    return safe_cell("; ".join(value) if isinstance(value, list) else str(value))


def _parquet(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> bytes:
    import pandas as pd
    import pyarrow as pa

    stored = {
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "json": pa.string(),
        "whole": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }
    # pandas writes its own types beside Parquet's: a missing whole number is read back as missing, and not as a float.
    shown = {
        "text": "str",
        "texts": "object",
        "json": "str",
        "whole": "Int64",
        "number": "float64",
        "flag": "boolean",
        "time": "datetime64[us, UTC]",
    }
    columns: dict[str, Any] = {}
    for column, kind in kinds.items():
        values = [row.get(column) for row in rows]
        if kind == "text":
            values = [None if value is None else _text(value) for value in values]
        columns[column] = pd.Series(values, dtype=shown[kind])
    schema = pa.schema([(column, stored[kind]) for column, kind in kinds.items()])
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer, engine="pyarrow", index=False, schema=schema, compression="zstd")
    return buffer.getvalue()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
