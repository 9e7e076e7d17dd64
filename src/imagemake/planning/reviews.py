"""What people decided: ``config/reviews.csv``, a row a decision, bound to a key: a changed prompt asks again."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from imagemake.problems import Problem, UserError
from imagemake.release.spreadsheet import plain_cell

REVIEWS = Path("config/reviews.csv")
COLUMNS = ("key", "decision", "note", "reviewer", "time")
DECISIONS = ("approve", "reject")
KEY_DIGITS = 64


@dataclass(frozen=True, slots=True)
class Review:
    """One decision.

    Attributes:
        decision: ``approve`` lets a picture into the release whatever the machine said; ``reject`` keeps it out, and
            asks for another attempt where one is left.
        note: For the next reader; it becomes the reason of a rejection.
        reviewer: Who decided.
        time: When, as the reviewer's tool wrote it.
    """

    decision: Literal["approve", "reject"]
    note: str
    reviewer: str
    time: str


def read_reviews(path: Path) -> dict[str, Review]:
    """Read the decisions by key; of several about one picture, the last one counts.

    Returns:
        Nothing where there is no file.

    Raises:
        UserError: With every row that cannot be understood.
    """
    if not path.is_file():
        return {}
    problems: list[Problem] = []
    reviews: dict[str, Review] = {}
    for where, row in _rows(path):
        problem = _problem(where, row)
        if problem:
            problems.append(problem)
            continue
        decision = cast(Literal["approve", "reject"], row["decision"].strip().lower())
        reviews[row["key"].strip().lower()] = Review(decision, row["note"], row["reviewer"], row["time"])
    if problems:
        raise UserError(problems)
    return reviews


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in ("key", "decision") if column not in (reader.fieldnames or ())]
            if missing:
                remedy = f"Its first line must be {','.join(COLUMNS)}."
                raise UserError(Problem(str(path), f"has no column {' and no column '.join(missing)}", remedy))
            for row in reader:
                # Rows are copied from review.csv, where text that looks like a formula stands behind an apostrophe.
                cells = {column: plain_cell(row.get(column) or "") for column in COLUMNS}
                yield f"{path}, row {reader.line_num}", cells
    except UnicodeDecodeError as error:
        raise UserError(Problem(str(path), f"is not UTF-8 (byte {error.start})", "Save it as UTF-8.")) from None


def _problem(where: str, row: Mapping[str, str]) -> Problem | None:
    key, decision = row["key"].strip().lower(), row["decision"].strip().lower()
    if decision not in DECISIONS:
        return Problem(where, f"decision {row['decision']!r} is not known", "Write 'approve' or 'reject'.")
    if len(key) != KEY_DIGITS or not set(key) <= set("0123456789abcdef"):
        return Problem(where, f"{row['key']!r} is not a key", "Copy the 64 digits from results/review.csv.")
    return None
