"""Plain data by key that has no room in memory: it lies in a temporary file, which is gone with its object."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import gettempdir
from typing import Any

import orjson

_CACHE_KIB = 4_096
_AT_ONCE = 1_000  # rows


class OnDisk:
    """Keeps values by key; a key can have several. It is fastest to add all of them before the first is looked up.

    Whatever adds or looks up raises `OSError` if the temporary file cannot be written.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # a temporary file
        for words in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", f"PRAGMA cache_size = -{_CACHE_KIB}"):
            self._db.execute(words)
        self._db.execute("CREATE TABLE kept (key TEXT, value BLOB)")
        self._new: list[tuple[str, bytes]] = []
        self._is_empty, self._is_indexed = True, False

    def add(self, key: str, value: Any) -> None:
        """Add a value, which is plain data of JSON."""
        self._is_empty = False
        self._new.append((key, orjson.dumps(value)))
        if len(self._new) >= _AT_ONCE:
            self._write()

    def of(self, key: str) -> list[Any]:
        """Return the values of a key, in the order in which they were added; none for an unknown one."""
        if self._is_empty:  # a first plan asks an empty journal five times per request
            return []
        if self._new:
            self._write()
        if not self._is_indexed:
            with _told_as_of_a_file():
                self._db.execute("CREATE INDEX by_key ON kept (key)")
            self._is_indexed = True
        found = self._db.execute("SELECT value FROM kept WHERE key = ? ORDER BY rowid", (key,))
        return [orjson.loads(value) for (value,) in found]

    def _write(self) -> None:
        with _told_as_of_a_file():
            self._db.execute("BEGIN")
            self._db.executemany("INSERT INTO kept VALUES (?, ?)", self._new)
            self._db.execute("COMMIT")
        self._new = []


@contextmanager
def _told_as_of_a_file() -> Iterator[None]:
    """Raise what SQLite could not write as the `OSError` that another file would raise, such as on a full disk."""
    try:
        yield
    except sqlite3.OperationalError as error:
        is_full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
        raise OSError(errno.ENOSPC if is_full else errno.EIO, str(error), gettempdir()) from None
