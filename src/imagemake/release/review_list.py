"""The list of images that wait for a person, or that a person may still approve."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from imagemake.core.files import write_whole
from imagemake.core.spreadsheet import safe_cell
from imagemake.plan.reviews import COLUMNS
from imagemake.release.manifest.row import ManifestRow


def write_review_list(path: Path, cells: Iterable[str]) -> None:
    """Write the list.

    It has the columns of config/reviews.csv, so that users can copy a row there and add their decision.

    Args:
        path: Where to write.
        cells: From `review_cells`.
    """
    write_whole(path, "".join([_csv([[*COLUMNS, "name", "verdict", "reasons"]]), *cells]).encode())


def review_cells(rows: Iterable[ManifestRow]) -> str:
    """Return the part of the list that some rows have."""
    listed = (row for row in rows if row.verdict in ("review", "rejected"))
    empty = [""] * (len(COLUMNS) - 1)
    return _csv([row.key, *empty, row.name, row.verdict, "; ".join(row.reasons)] for row in listed)


def _csv(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([safe_cell(cell) for cell in row] for row in rows)
    return text.getvalue()
