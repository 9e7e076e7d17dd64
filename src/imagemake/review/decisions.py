"""The decision log, ``config/reviews.csv``. Several processes can append rows at once, and no row is lost.

A writer holds a kernel lock, reads the current file, and replaces it with a copy that has the new rows at its end.
Readers see either all rows of a decision or none, and manual edits are kept.
"""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from imagemake.core.errors import ImagemakeError
from imagemake.core.file_stamp import FileStamp, stamp_of
from imagemake.core.files import FileLock, write_whole
from imagemake.core.spreadsheet import safe_cell
from imagemake.plan.reviews import COLUMNS, DECISIONS, UNDO, Decisions, Review, read_rows

Row = tuple[str, Review]  # key and row


class ChangedMeanwhileError(ImagemakeError):
    """Another reviewer decided about the same image after it was shown."""

    def __init__(self, key: str, now: Review | None) -> None:
        super().__init__(key)
        self.key = key
        self.now = now


@dataclass(slots=True)
class LogContent:
    """Content of the file when it was read.

    Attributes:
        rows: All rows, in order.
        decisions: The current decision about each key.
        rows_of: All rows about a key, in order.
    """

    rows: list[Row] = field(default_factory=list)
    decisions: Decisions = field(default_factory=Decisions)
    rows_of: dict[str, list[Review]] = field(default_factory=dict)

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows at the end."""
        for key, review in rows:
            self.rows.append((key, review))
            self.decisions.add(key, review)
            self.rows_of.setdefault(key, []).append(review)


class DecisionLog:
    """Reads and writes one decision log.

    Args:
        path: Usually ``config/reviews.csv``.
        lock: Lock file that all writers share.
    """

    def __init__(self, path: Path, lock: Path) -> None:
        self.path = path
        self.lock = lock
        self._cached: tuple[FileStamp | None, LogContent] = (
            None,
            LogContent(),
        )  # one tuple, so that threads see both together
        self._adding = threading.Lock()

    @property
    def last_read(self) -> LogContent:
        """Content of the file when it was last valid."""
        return self._cached[1]

    def current(self) -> dict[str, Review]:
        """Return the current decisions by key, from when the file was last valid."""
        with self._adding:
            return self.last_read.decisions.as_dict()

    def read(self) -> LogContent:
        """Return the content of the file, and read the file only if it has changed.

        Raises:
            UserError: If the file is invalid.
        """
        signature = stamp_of(self.path)
        cached, content = self._cached
        if signature != cached:
            content = LogContent()
            content.add(read_rows(self.path))
            self._cached = signature, content
        return content

    def decide(self, keys: Sequence[str], review: Review, *, expected: Mapping[str, str] | None = None) -> LogContent:
        """Save one decision about one or several images, all with the same time.

        Args:
            keys: Keys of the images.
            review: The decision, without its time.
            expected: By key, the `version_of` the decision that the reviewer saw. Keys without one are not checked.

        Raises:
            ChangedMeanwhileError: If a decision has changed since the reviewer saw it. Nothing is saved.
            UserError: If the file is invalid.
        """

        def rows(content: LogContent) -> list[Row]:
            for key, version in (expected or {}).items():
                now = content.decisions.get(key)
                if version_of(now) != version:
                    raise ChangedMeanwhileError(key, now)
            timed = replace(review, time=_now())
            return [(key, timed) for key in keys]

        return self._append(rows)

    def undo(self, reviewer: str) -> list[Row]:
        """Undo this reviewer's last current decision. A bulk decision is undone as a whole.

        Returns:
            The undone rows; empty if there is nothing to undo.
        """
        undone: list[Row] = []

        def rows(content: LogContent) -> list[Row]:
            undone.extend(last_step(content, reviewer))
            return [(key, Review(UNDO, "", reviewer, _now())) for key, _ in undone]

        self._append(rows)
        return undone

    def _append(self, make_rows: Callable[[LogContent], list[Row]]) -> LogContent:
        # Each call has its own lock object, so that threads of one process exclude each other too.
        with FileLock(self.lock):
            content = self.read()
            rows = make_rows(content)
            if rows:
                _write(self.path, rows)
                with self._adding:
                    content.add(rows)
                    self._cached = stamp_of(self.path), content
            return content


def version_of(review: Review | None) -> str:
    """Return text that identifies a decision among all about the same image; empty for no decision."""
    return "" if review is None else f"{review.decision} {review.time} {review.reviewer}"


def last_step(content: LogContent, reviewer: str) -> list[Row]:
    """Return the rows of a reviewer's last decision: those with the same time that are still current."""
    time = None
    step: list[Row] = []
    # Reading backward until the time changes keeps undo fast in a long file.
    for key, row in reversed(content.rows):
        if row.reviewer != reviewer or row.decision not in DECISIONS or content.decisions.get(key) is not row:
            continue
        if time is None:
            time = row.time
        if row.time != time:
            break
        step.append((key, row))
    return step[::-1]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _write(path: Path, rows: Sequence[Row]) -> None:
    target = path.resolve()  # replaces the target of a link, not the link
    while True:
        before = stamp_of(target)
        old = target.read_bytes() if before else b""
        new = _with_rows(old, rows)
        if stamp_of(target) == before:  # otherwise, an editor saved the file just now
            write_whole(target, new, durable=True)
            return


def _with_rows(old: bytes, rows: Sequence[Row]) -> bytes:
    """Return a file's bytes with more rows at the end. Other bytes change only if columns are missing."""
    columns = next(csv.reader(io.StringIO(old.decode("utf-8-sig"), newline="")), [])
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        columns += missing
        old = _with_columns(old, columns)
    if not old.endswith((b"\n", b"\r")):
        old += b"\n"
    return old + _csv([_cells(key, review, columns) for key, review in rows])


def _with_columns(old: bytes, columns: Sequence[str]) -> bytes:
    rows = [row for row in csv.reader(io.StringIO(old.decode("utf-8-sig"), newline="")) if row]
    return _csv([columns, *([*row, *[""] * (len(columns) - len(row))] for row in rows[1:])])


def _cells(key: str, review: Review, columns: Sequence[str]) -> list[str]:
    values = {"key": key, **asdict(review)}
    return [safe_cell(values.get(column, "")) for column in columns]


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    # The csv module doesn't quote a lone \r, but reads it as the end of a row.
    plain = ([cell.replace("\r\n", "\n").replace("\r", "\n") for cell in row] for row in rows)
    csv.writer(text, lineterminator="\n").writerows(plain)
    return text.getvalue().encode()
