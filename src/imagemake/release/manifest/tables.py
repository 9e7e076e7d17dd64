"""What a release holds: one entry a request, written as a table for people and one for programs.

``manifest.csv`` opens in a spreadsheet: UTF-8 with a byte order mark, reasons joined by ``; ``, and text that begins
like a formula behind an apostrophe, which `read_manifest` takes away again. ``manifest.parquet`` holds the same columns
as they are, typed: ``pandas.read_parquet`` gives whole numbers that may be missing, times in UTC, and reasons as lists.
Variables, parameters, measures and further outputs are columns of their own, such as ``variable.color``,
``measure.tone.contrast`` and ``output.web.file``; earlier attempts are one column of JSON.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import orjson

from imagemake.config.fields import MAIN
from imagemake.core.files import write_whole
from imagemake.core.spreadsheet import plain_cell, safe_cell
from imagemake.release.manifest.columns import (
    COLUMNS,
    GROUPS,
    MANIFEST_VERSION,
    OF_OUTPUT,
    Kind,
    Verdict,
    output_column,
)
from imagemake.release.manifest.schema import about, manifest_schema, schema_bytes
from imagemake.stages.validate.earlier_releases import MEASURES_FIELD

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
class OutputFile:
    """A released file; its attributes are those of an `Entry`."""

    file: str
    width_px: int
    height_px: int
    bytes: int
    digest: str
    finished_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request, and what became of it.

    Attributes:
        variables: What the prompt's placeholders stood for.
        parameters: Parameters of the model.
        measures: Quantities that were read from the image.
        outputs: The same image in further outputs, by their labels.
        history: Earlier attempts, oldest first.

    All others are columns: `imagemake.release.manifest.columns.COLUMNS` says what each one means.
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
    outputs: Mapping[str, OutputFile] = field(default_factory=dict)
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


_LONGEST_CELL = 2**31 - 1
VERSION_KEY = "imagemake.manifest_schema"  # in the metadata of the Parquet file


def write_manifest(
    entries: Iterable[Entry],
    csv_path: Path,
    parquet_path: Path,
    *,
    outputs: Iterable[str] = (),
    schema_path: Path | None = None,
    measures: Sequence[str] = (),
) -> None:
    """Write both tables, one row a request, sorted by name; equal entries give equal bytes.

    Args:
        entries: The requests, in any order.
        csv_path: Table for people.
        parquet_path: Table for programs.
        outputs: Labels of further outputs, which have their columns also where no image has a file.
        schema_path: Where the JSON schema of the rows goes, if anywhere.
        measures: Identities of the measures that the quantities come from, such as ``phash@1``: kept beside the
            Parquet's columns, so that a later release knows what it can be compared with.
    """
    rows = [_row(entry) for entry in sorted(entries, key=lambda entry: entry.name)]
    kinds: dict[str, Kind] = {name: column.kind for name, column in COLUMNS.items()}
    kinds |= {output_column(label, name): COLUMNS[name].kind for label in outputs for name in OF_OUTPUT}
    kinds |= _kinds_of_groups(rows)
    write_whole(csv_path, _csv(rows, kinds))
    write_whole(parquet_path, _parquet(rows, kinds, measures))
    if schema_path is not None:
        write_whole(schema_path, schema_bytes(manifest_schema(kinds)))


def read_manifest(csv_path: Path) -> list[dict[str, str]]:
    """Read the CSV back: every cell as text, without the apostrophes that guard spreadsheets."""
    csv.field_size_limit(_LONGEST_CELL)  # Python's own limit is below what the history of a long prompt can be
    with csv_path.open(encoding="utf-8-sig", newline="") as file:
        return [{plain_cell(key): plain_cell(cell) for key, cell in row.items()} for row in csv.DictReader(file)]


def files_in(row: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the released files that a row of the CSV tells of: by output, with the main one as ``main``, by column."""
    labels = [column.split(".")[1] for column in row if column.startswith("output.") and column.endswith(".file")]
    found = {MAIN: {name: row.get(name, "") for name in OF_OUTPUT}}
    found |= {label: {name: row[output_column(label, name)] for name in OF_OUTPUT} for label in labels}
    return {label: file for label, file in found.items() if file["file"]}


def _row(entry: Entry) -> dict[str, Any]:
    row = {column: getattr(entry, column) for column in COLUMNS}
    row.update({name: list(row[name]) for name, column in COLUMNS.items() if column.kind == "texts"})
    row["history"] = orjson.dumps(entry.history, option=orjson.OPT_SORT_KEYS).decode() if entry.history else None
    for prefix, group in GROUPS.items():
        row.update({f"{prefix}.{name}": value for name, value in getattr(entry, group.field).items()})
    for label, file in entry.outputs.items():
        row.update({output_column(label, name): getattr(file, name) for name in OF_OUTPUT})
    return row


def _kinds_of_groups(rows: Sequence[Mapping[str, Any]]) -> dict[str, Kind]:
    found: dict[str, set[type]] = {}
    for column, value in chain.from_iterable(row.items() for row in rows):
        if column.partition(".")[0] in GROUPS:
            found.setdefault(column, set()).add(type(value))
    order = list(GROUPS)
    columns = sorted(found, key=lambda column: (order.index(column.partition(".")[0]), column))
    return {column: _kind_of(found[column]) for column in columns}


def _kind_of(types: set[type]) -> Kind:
    # Whole numbers count as numbers, so that a measure of exactly 1 does not change a column's type between releases.
    if types <= {int, float}:
        return "number"
    return "flag" if types == {bool} else "text"


def _csv(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, Kind]) -> bytes:
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


def _parquet(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, Kind], measures: Sequence[str]) -> bytes:
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
    fields = [pa.field(column, stored[kind], metadata=_told(column, kind)) for column, kind in kinds.items()]
    read_by = {MEASURES_FIELD: orjson.dumps(list(measures)).decode()} if measures else {}
    schema = pa.schema(fields, metadata={VERSION_KEY: MANIFEST_VERSION, **read_by})
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer, engine="pyarrow", index=False, schema=schema, compression="zstd")
    return buffer.getvalue()


def _told(column: str, kind: Kind) -> dict[str, str]:
    of_column = about(column, kind)
    return {"description": of_column.meaning, **({"unit": of_column.unit} if of_column.unit else {})}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
