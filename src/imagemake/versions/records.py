"""The record of a release: a small file in git with the digests of everything that belongs to the release.

Each record contains the digest of the preceding one, so changing a record requires changing all later ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from imagemake.core.errors import ImagemakeError
from imagemake.core.files import write_whole
from imagemake.core.mistakes import dotted, mistakes_of
from imagemake.store.layout import RELEASES

RECORD_FILE, MANIFEST_FILE, REVIEWS_FILE = "release.json", "manifest.parquet", "reviews.csv"
EXPORTS_FILE = "exports.sha256"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Previous(_Model):
    """A preceding release.

    Attributes:
        release: Its name.
        record: SHA-256 of its record.
    """

    release: str
    record: str


class Prefix(_Model):
    """The content of an append-only file at one time.

    Attributes:
        bytes: Number of bytes.
        sha256: Their digest.
    """

    bytes: int
    sha256: str


class Changes(_Model):
    """How accepted images changed since the previous release, counted by name.

    Attributes:
        new: Names that the previous release does not have.
        changed: Images with changed pixels in any file, or with other files.
        metadata: Images with the same pixels in changed files, such as with another note.
        removed: Names that only the previous release has.
        unchanged: Images with the same files.
    """

    new: int = 0
    changed: int = 0
    metadata: int = 0
    removed: int = 0
    unchanged: int = 0


class Record(_Model):
    """Everything that belongs to a release.

    Attributes:
        record: Version of this schema.
        release: Name of the release.
        at: Time of the release, ISO 8601 in UTC.
        note: Description for readers.
        campaign: Name of the campaign.
        previous: The releases that it follows; several if branches were merged.
        made_with: Package versions.
        metrics: Content of metrics.json.
        changes: Changes since the previous release.
        spent_usd: Total billed cost in the journal; exact decimals as text.
        spent_since_usd: Billed cost since the previous release.
        cost_unknown: Number of calls since the previous release whose cost is unknown.
        checks: Checks by quantity, including default checks, with their overrides.
        measures: Identities of the measures.
        step_digests: Digest of the postprocessing steps, by output.
        config: SHA-256 of each file that people edit, by path.
        manifest: SHA-256 of the Parquet manifest.
        reviews: SHA-256 of the copy of config/reviews.csv; None if there was none.
        journal: Content of each journal file, by its path in store/journal.
        exports: SHA-256 of the list of exported files; None without exports.
    """

    record: Literal[1] = 1
    release: str
    at: str
    note: str = ""
    campaign: str
    previous: tuple[Previous, ...] = ()
    made_with: Mapping[str, str]
    metrics: Mapping[str, Any]
    changes: Changes
    spent_usd: str
    spent_since_usd: str
    cost_unknown: int
    checks: Mapping[str, Any]
    measures: tuple[str, ...]
    step_digests: Mapping[str, str]
    config: Mapping[str, str]
    manifest: str
    reviews: str | None
    journal: Mapping[str, Prefix]
    exports: str | None = None

    def to_json(self) -> bytes:
        """Return the content of its file. Equal records give equal bytes."""
        option = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
        return orjson.dumps(self.model_dump(mode="json"), option=option)

    def is_same_as(self, other: Record) -> bool:
        """Return whether both records describe the same state, ignoring time and note."""
        return self.model_copy(update={"at": other.at, "note": other.note}) == other


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record that was read from its file.

    Attributes:
        record: The record.
        digest: SHA-256 of its file.
    """

    record: Record
    digest: str


class BadRecordError(ImagemakeError):
    """A record's file is invalid; the message says why."""


def folder_of_release(name: str) -> Path:
    """Return the folder that contains the record of a release."""
    return RELEASES / name


def read_record_file(path: Path) -> StoredRecord:
    """Read one record.

    Raises:
        BadRecordError: If the file is invalid.
        FileNotFoundError: If the file does not exist.
    """
    data = path.read_bytes()
    try:
        return StoredRecord(Record.model_validate_json(data), hashlib.sha256(data).hexdigest())
    except ValidationError as error:
        first = mistakes_of(error, Record)[0]
        raise BadRecordError(f"{dotted(first.location) or 'the file'}: {first.what.removesuffix('.')}") from None


def names_in(folder: Path) -> list[str]:
    """Return the names of all releases that have a record."""
    return sorted(path.parent.name for path in folder.glob(f"*/{RECORD_FILE}"))


def in_order(records: Mapping[str, StoredRecord]) -> list[str]:
    """Return release names in order: each release comes after those that it follows, and then by time."""
    found: list[str] = []
    left = dict(records)
    while left:
        ready = [
            name
            for name, kept in left.items()
            if not any(before.release in left for before in kept.record.previous if before.release != name)
        ]
        # A cycle can only come from tampering, which the digests reveal. Its releases are sorted by time.
        for name in sorted(ready or left, key=lambda name: (left[name].record.at, name)):
            found.append(name)
            del left[name]
    return found


def heads(records: Mapping[str, StoredRecord]) -> tuple[Previous, ...]:
    """Return the releases that no other release follows."""
    followed = {before.release for kept in records.values() for before in kept.record.previous}
    return tuple(Previous(release=name, record=records[name].digest) for name in sorted(set(records) - followed))


def read_all(folder: Path, names: Collection[str]) -> dict[str, StoredRecord]:
    """Read the records of some releases, oldest first.

    Raises:
        BadRecordError: If a file is invalid.
    """
    found = {name: read_record_file(folder / name / RECORD_FILE) for name in names}
    return {name: found[name] for name in in_order(found)}


def journal_prefixes(folder: Path) -> dict[str, Prefix]:
    """Return size and digest of each journal file, by its path."""
    return {
        str(path.relative_to(folder)): Prefix(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for path, data in _contents(folder)
    }


def _contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(folder.glob("*/*.jsonl")):
        yield path, path.read_bytes()


def write_record(root: Path, record: Record) -> None:
    """Write a record."""
    write_whole(root / folder_of_release(record.release) / RECORD_FILE, record.to_json(), durable=True)
