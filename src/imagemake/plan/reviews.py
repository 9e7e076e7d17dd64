"""What reviewers decided: ``config/reviews.csv``, one row per decision, for one key; a changed prompt is a new key."""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from imagemake.core.given_file import read_given
from imagemake.core.host_errors import reason_of
from imagemake.core.problems import Problem, UserError
from imagemake.core.spreadsheet import plain_cell

REVIEWS = Path("config/reviews.csv")
COLUMNS = ("key", "decision", "note", "reviewer", "time", "patch", "prompt")
DECISIONS = ("approve", "reject", "regenerate")
UNDO, NOTE = "undo", "note"
KEY_DIGITS = 64
MOST_PROMPT_CHARACTERS = 32_000


@dataclass(frozen=True, slots=True)
class Review:
    """One row.

    Attributes:
        decision: ``approve`` releases an image, whatever the checks say. ``reject`` keeps it out and requests another
            attempt if one is left. ``regenerate`` requests another attempt even if none is left. ``undo`` cancels the
            previous decision about the same key. ``note`` decides nothing.
        note: For the next reader; it becomes the reason for a rejection.
        reviewer: Who decided.
        time: When, as the reviewer's tool wrote it.
        patch: With ``regenerate``: text to append to the prompt.
        prompt: With ``regenerate``: the whole prompt. If both are empty, only the seed changes.
    """

    decision: str
    note: str
    reviewer: str
    time: str
    patch: str = ""
    prompt: str = ""


class Decisions(Mapping[str, Review]):
    """The decisions in force, by key: of several about one image, the last one that was not undone.

    Args:
        rows: Keys and rows, in file order.
    """

    def __init__(self, rows: Iterable[tuple[str, Review]] = ()) -> None:
        self._of_key: dict[str, list[Review]] = {}
        for key, review in rows:
            self.add(key, review)

    def add(self, key: str, review: Review) -> None:
        """Add one more row."""
        if review.decision in DECISIONS:
            self._of_key.setdefault(key, []).append(review)
        elif review.decision == UNDO and key in self._of_key:
            self._of_key[key].pop()
            if not self._of_key[key]:
                del self._of_key[key]

    def as_dict(self) -> dict[str, Review]:
        """Return a copy that later rows do not change."""
        return {key: reviews[-1] for key, reviews in self._of_key.items()}

    def __getitem__(self, key: str) -> Review:
        return self._of_key[key][-1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._of_key)

    def __len__(self) -> int:
        return len(self._of_key)


def read_reviews(path: Path) -> Decisions:
    """Read the decisions in force, by key.

    Returns:
        The decisions; none if the file does not exist.

    Raises:
        UserError: If rows are invalid; it lists each of them.
    """
    return Decisions(read_rows(path))


def read_rows(path: Path) -> list[tuple[str, Review]]:
    """Read every row with its key, in file order; see `read_reviews`."""
    if not os.path.lexists(path):  # a link that leads nowhere loses decisions: that is told
        return []
    problems: list[Problem] = []
    found: list[tuple[str, Review]] = []
    for where, row in _rows(path):
        problem = _problem(where, row)
        if problem:
            problems.append(problem)
            continue
        key, decision, *texts = (row[column] for column in COLUMNS)
        found.append((key.strip().lower(), Review(decision.strip().lower(), *texts)))
    if problems:
        raise UserError(problems)
    return found


def places_of(path: Path) -> dict[str, str]:
    """Return the first row of each key, as problems name it; see `read_rows` for what is checked."""
    found: dict[str, str] = {}
    for where, row in _rows(path) if os.path.lexists(path) else ():
        found.setdefault(row["key"].strip().lower(), where)
    return found


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        text = read_given(path).removeprefix(codecs.BOM_UTF8).decode()
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        missing = [column for column in ("key", "decision") if column not in (reader.fieldnames or ())]
        if missing:
            remedy = f"Make {','.join(COLUMNS)} its first line."
            raise UserError(Problem(str(path), f"the file has no column {' or '.join(missing)}.", remedy))
        for row in reader:
            # Rows are copied from review.csv, where text that looks like a formula starts with an apostrophe.
            cells = {column: plain_cell(row.get(column) or "") for column in COLUMNS}
            yield f"{path}, row {reader.line_num}", cells
    except OSError as error:
        what, remedy = reason_of(error)
        raise UserError(Problem(str(path), f"{what}.", remedy)) from None
    except csv.Error as error:
        raise UserError(
            Problem(str(path), f"invalid CSV: {error}.", "Check its quotes; each one must be closed.")
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(Problem(str(path), f"byte {error.start} is not UTF-8.", "Save the file as UTF-8.")) from None


def _problem(where: str, row: Mapping[str, str]) -> Problem | None:
    key, decision = row["key"].strip().lower(), row["decision"].strip().lower()
    if decision not in (*DECISIONS, UNDO, NOTE):
        known = "'approve', 'reject', 'regenerate', 'undo', or 'note'"
        return Problem(where, f"unknown decision {row['decision']!r}.", f"Use {known}.")
    if len(key) != KEY_DIGITS or not set(key) <= set("0123456789abcdef"):
        return Problem(where, f"{row['key']!r} is not a key.", "Copy the 64 digits from results/review.csv.")
    if decision != "regenerate" and (row["patch"] or row["prompt"]):
        return Problem(where, f"{decision!r} takes no patch and no prompt.", "Use 'regenerate', or clear these cells.")
    if row["patch"] and row["prompt"]:
        return Problem(
            where, "the row has both a patch and a prompt.", "Keep one: the text to append, or the whole prompt."
        )
    if len(row["patch"] + row["prompt"]) > MOST_PROMPT_CHARACTERS:
        return Problem(where, f"the prompt has more than {MOST_PROMPT_CHARACTERS:,} characters.", "Shorten it.")
    return None
