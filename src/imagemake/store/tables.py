"""Files of tables in ``work/``: one JSON object per line, and a last line with the number of rows and a checksum.

The checksum covers the whole file, so that a flipped byte, a missing row, and a torn or zeroed file show before a row
is used. All tables can be made again, so a damaged one is deleted.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from imagemake.core.files import write_whole
from imagemake.core.sealed import DamagedStateError, seal, unseal

SHOWN = 3  # damaged tables that a warning names


def write_rows(path: Path, rows: bytes) -> None:
    """Write a table atomically.

    Args:
        path: Where to write.
        rows: JSON Lines.
    """
    write_whole(path, seal(rows + orjson.dumps({"rows": rows.count(b"\n")})) + b"\n")


def lines_of(path: Path) -> list[bytes]:
    """Return the rows of a table as JSON.

    Raises:
        DamagedStateError: If the table is missing, or not as it was written.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedStateError(f"{path}: this table cannot be read: {error.strerror}.") from None
    whole = unseal(content[:-1]) if content.endswith(b"\n") else None
    if whole is None:
        raise DamagedStateError(f"{path}: this table does not match its checksum.")
    return whole.splitlines()[:-1]


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table as plain data, which is faster than items if you need few fields.

    Raises:
        DamagedStateError: As `lines_of`.
    """
    return map(orjson.loads, lines_of(path))


def intact_rows(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Yield the rows of many tables without those that are damaged, which the next run makes again."""
    for path in paths:
        try:
            yield from read_rows(path)
        except DamagedStateError:
            continue


def discard_damaged(folders: Iterable[Path], known: Collection[str] = ()) -> list[Path]:
    """Delete the tables that are not as they were written, so that they are made again, and return their paths.

    Args:
        folders: Folders of tables in ``work/``, where everything may be deleted at any time.
        known: Paths of those that were read before and did not change since.
    """
    paths = (path for folder in folders for path in sorted(folder.glob("*.jsonl")))
    damaged = [path for path in paths if str(path) not in known and not _is_intact(path)]
    for path in damaged:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return damaged


def damaged_words(damaged: list[Path]) -> str:
    """Return a sentence about damaged tables."""
    places = ", ".join(map(str, damaged[:SHOWN])) + (f", and {len(damaged) - SHOWN:,} more" * (len(damaged) > SHOWN))
    tables = "1 table was" if len(damaged) == 1 else f"{len(damaged):,} tables were"
    return f"{tables} damaged, or of an earlier version, and what they held is made again without a call: {places}"


def _is_intact(path: Path) -> bool:
    try:
        lines_of(path)
    except DamagedStateError:
        return False
    return True
