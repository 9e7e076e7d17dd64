"""The rows of the last manifest, kept so that the next release makes only those that changed.

They lie in files of about a thousand rows, cut where the names say so and named by their content. So a changed row
writes one of them, and a damaged one shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import orjson

from imagemake.core.files import write_whole
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.release.manifest.row import MANIFEST_VERSION, ManifestRow
from imagemake.store.layout import settled_folder

MEAN, MOST = 1_024, 4_096  # rows of a file
ID_DIGITS = 32
_FIELDS = [one.name for one in fields(ManifestRow) if one.init and one.name not in {"outputs", "cached"}]
_VALUES = attrgetter(*_FIELDS)
_WORDS = [_FIELDS.index(name) for name in ("verdict", "provider", "model", "model_label", "seed_use", "generated_at")]
_MAPPINGS = [_FIELDS.index(name) for name in ("parameters", "model_files")]
_TUPLES = [_FIELDS.index(name) for name in ("reasons", "references", "reference_digests", "history")]


class KeptRow(NamedTuple):
    """A row of the manifest.

    Attributes:
        row: The row.
        place: Its place among the requests of its catalog row.
        closed_at: When the call ended that its key is known by, ISO 8601 in UTC; empty without one.
    """

    row: ManifestRow
    place: int
    closed_at: str


def keep_rows(rows: Iterable[KeptRow], work: Path) -> str | None:
    """Write rows to files, and return the digest by which `kept_rows` finds them; None if they cannot be kept."""
    rows = sorted(rows, key=lambda one: one.row.name)
    if any(one.row.outputs for one in rows):
        return None
    folder = settled_folder(work) / "manifest"
    names = [_write(folder, some) for some in _cut(rows)]
    index = orjson.dumps([MANIFEST_VERSION, *names])
    digest = hashlib.sha256(index).hexdigest()[:ID_DIGITS]
    write_whole(folder / f"{digest}.json", index)
    for path in folder.iterdir():
        if path.name not in {*names, f"{digest}.json"}:
            path.unlink()
    return digest


def kept_rows(digest: str, work: Path, made_at: str) -> Iterator[KeptRow]:
    """Yield the rows that were kept.

    Args:
        digest: From `keep_rows`.
        work: The folder of what is kept.
        made_at: When the plan was made, ISO 8601 in UTC, which decides what existed before.

    Raises:
        NotRememberedError: If a file is missing or damaged.
    """
    folder = settled_folder(work) / "manifest"
    version, *names = orjson.loads(_content(folder / f"{digest}.json", digest))
    if version != MANIFEST_VERSION:
        raise NotRememberedError(version)
    words: dict[str, str] = {}
    last: list[Any] = []
    for name in names:
        for place, closed_at, values in orjson.loads(_content(folder / name, name.partition(".")[0])):
            for at in _TUPLES:
                values[at] = tuple(values[at])
            # What many rows have is one object: otherwise it would take much of the memory.
            for at in _WORDS:
                values[at] = words.setdefault(values[at], values[at])
            for at in _MAPPINGS if last else ():
                values[at] = last[at] if values[at] == last[at] else values[at]
            last = values
            row = ManifestRow(**dict(zip(_FIELDS, values, strict=True)), cached=closed_at < made_at)
            yield KeptRow(row, place, closed_at)


def _write(folder: Path, rows: Sequence[KeptRow]) -> str:
    content = orjson.dumps([[one.place, one.closed_at, _VALUES(one.row)] for one in rows])
    name = f"{hashlib.sha256(content).hexdigest()[:ID_DIGITS]}.json"
    if not (folder / name).exists():
        write_whole(folder / name, content)
    return name


def _content(path: Path, digest: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError:
        raise NotRememberedError(path) from None
    if hashlib.sha256(content).hexdigest()[:ID_DIGITS] != digest:
        raise NotRememberedError(path)
    return content


def _cut(rows: Sequence[KeptRow]) -> Iterator[Sequence[KeptRow]]:
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or end - start == MOST or crc32(rows[end].row.name.encode()) % MEAN == 0:
            yield rows[start:end]
            start = end
