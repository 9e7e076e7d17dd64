"""The log of decisions, ``config/reviews.csv``: rows are only ever added, by several processes, and none is lost.

A writer holds a kernel lock, reads what is there at that moment, whoever wrote it, and puts the same with its rows at
the end in the file's place. So a reader sees all of a decision or nothing of it, and what was edited by hand stays.
"""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from imagemake.core.files import FileLock, write_whole
from imagemake.core.spreadsheet import safe_cell
from imagemake.plan.reviews import COLUMNS, DECISIONS, UNDO, Decisions, Review, read_rows

Row = tuple[str, Review]  # key and row
Signature = tuple[int, int, int] | None


class ChangedMeanwhileError(Exception):
    """Somebody else decided about the same image after it was shown."""

    def __init__(self, key: str, now: Review | None) -> None:
        super().__init__(key)
        self.key = key
        self.now = now


@dataclass(slots=True)
class Known:
    """What the file held when it was read.

    Attributes:
        rows: All of them, in order.
        decisions: Those that hold.
        rows_of: Every row about a key, in order.
    """

    rows: list[Row] = field(default_factory=list)
    decisions: Decisions = field(default_factory=Decisions)
    rows_of: dict[str, list[Review]] = field(default_factory=dict)

    def add(self, rows: Iterable[Row]) -> None:
        """Take in more rows."""
        for key, review in rows:
            self.rows.append((key, review))
            self.decisions.add(key, review)
            self.rows_of.setdefault(key, []).append(review)


class DecisionLog:
    """Reads and writes one file of decisions.

    Args:
        path: Usually ``config/reviews.csv``.
        lock: The lock file of all who write it.
    """

    def __init__(self, path: Path, lock: Path) -> None:
        self._path = path
        self._lock = lock
        self._read: tuple[Signature, Known] = None, Known()  # one value, so that threads see the two together
        self._adding = threading.Lock()

    @property
    def last_good(self) -> Known:
        """What the file held when it could last be understood."""
        return self._read[1]

    def stored(self) -> dict[str, Review]:
        """Return the decisions that hold, by key, as they were when the file could last be understood."""
        with self._adding:
            return self.last_good.decisions.as_dict()

    def known(self) -> Known:
        """Return what the file holds; it is read only where it has changed.

        Raises:
            UserError: If somebody has written something else into it.
        """
        signature = _signature(self._path)
        read, known = self._read
        if signature != read:
            known = Known()
            known.add(read_rows(self._path))
            self._read = signature, known
        return known

    def decide(self, keys: Sequence[str], review: Review, *, seen: Mapping[str, str] | None = None) -> Known:
        """Write one decision about one or several images, all with the same time.

        Args:
            keys: The images.
            review: Without its time.
            seen: By key, `mark_of` what the reviewer saw; a key that is not here was not looked at.

        Raises:
            ChangedMeanwhileError: If somebody decided about one of them since; then nothing is written.
            UserError: If the file cannot be understood.
        """

        def rows(known: Known) -> list[Row]:
            for key, mark in (seen or {}).items():
                now = known.decisions.get(key)
                if mark_of(now) != mark:
                    raise ChangedMeanwhileError(key, now)
            timed = replace(review, time=_now())
            return [(key, timed) for key in keys]

        return self._append(rows)

    def undo(self, reviewer: str) -> list[Row]:
        """Take back this reviewer's last decision that holds; what was decided in bulk goes back in bulk.

        Returns:
            What was taken back, which is nothing where there is nothing to take back.
        """
        taken: list[Row] = []

        def rows(known: Known) -> list[Row]:
            taken.extend(last_step(known, reviewer))
            return [(key, Review(UNDO, "", reviewer, _now())) for key, _ in taken]

        self._append(rows)
        return taken

    def _append(self, make: Callable[[Known], list[Row]]) -> Known:
        # A lock of its own for each call: threads of one process exclude each other too.
        with FileLock(self._lock):
            known = self.known()
            rows = make(known)
            if rows:
                _write(self._path, rows)
                with self._adding:
                    known.add(rows)
                    self._read = _signature(self._path), known
            return known


def mark_of(review: Review | None) -> str:
    """Return what tells a decision from another one about the same image; empty for none."""
    return "" if review is None else f"{review.decision} {review.time} {review.reviewer}"


def last_step(known: Known, reviewer: str) -> list[Row]:
    """Return the rows of a reviewer's last decision that holds: those of one time, where nobody decided since."""
    time = None
    step: list[Row] = []
    # From the end, and only while the time is the same: a step back is quick however long the file is.
    for key, row in reversed(known.rows):
        if row.reviewer != reviewer or row.decision not in DECISIONS or known.decisions.get(key) is not row:
            continue
        if time is None:
            time = row.time
        if row.time != time:
            break
        step.append((key, row))
    return step[::-1]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _signature(path: Path) -> Signature:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _write(path: Path, rows: Sequence[Row]) -> None:
    target = path.resolve()  # what a link leads to is replaced, not the link
    while True:
        before = _signature(target)
        old = target.read_bytes() if before else b""
        new = _with_rows(old, rows)
        if _signature(target) == before:  # else somebody saved it from an editor just now
            write_whole(target, new, durable=True)
            return


def _with_rows(old: bytes, rows: Sequence[Row]) -> bytes:
    """Return a file's bytes with more rows at their end; all other bytes stay, but where columns are missing."""
    columns = next(csv.reader(io.StringIO(old.decode("utf-8-sig"), newline="")), [])
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        columns += missing
        old = _widened(old, columns)
    if not old.endswith((b"\n", b"\r")):
        old += b"\n"
    return old + _csv([_cells(key, review, columns) for key, review in rows])


def _widened(old: bytes, columns: Sequence[str]) -> bytes:
    rows = [row for row in csv.reader(io.StringIO(old.decode("utf-8-sig"), newline="")) if row]
    return _csv([columns, *([*row, *[""] * (len(columns) - len(row))] for row in rows[1:])])


def _cells(key: str, review: Review, columns: Sequence[str]) -> list[str]:
    values = {"key": key, **asdict(review)}
    return [safe_cell(values.get(column, "")) for column in columns]


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    # The csv module leaves a lone \r without quotes, and reads it as the end of a row.
    plain = ([cell.replace("\r\n", "\n").replace("\r", "\n") for cell in row] for row in rows)
    csv.writer(text, lineterminator="\n").writerows(plain)
    return text.getvalue().encode()
