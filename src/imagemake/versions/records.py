"""The record of a release: a small file that git keeps, with the digest of everything that belongs to the release.

Each one holds the digest of the one before it, so that no record can be changed without changing all that follow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from imagemake.core.files import write_whole

RELEASES = Path("releases")
RECORD_FILE, MANIFEST_FILE, REVIEWS_FILE = "release.json", "manifest.parquet", "reviews.csv"


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True)


class Previous(_Plain):
    """A release that one follows.

    Attributes:
        release: Its name.
        record: SHA-256 of its record.
    """

    release: str
    record: str


class Prefix(_Plain):
    """What of a file that only grows was there.

    Attributes:
        bytes: How many.
        sha256: Their digest.
    """

    bytes: int
    sha256: str


class Changes(_Plain):
    """What became of accepted images since the release before, by name.

    Attributes:
        new: Not there before.
        changed: Other pixels in any of its files, or other files.
        metadata: The same pixels in another file, such as with another note.
        removed: Not there any more.
        unchanged: The same files.
    """

    new: int = 0
    changed: int = 0
    metadata: int = 0
    removed: int = 0
    unchanged: int = 0


class Record(_Plain):
    """What belongs to a release.

    Attributes:
        record: Version of this form.
        release: The release's name.
        at: When it was made, ISO 8601 in UTC.
        note: What it is, for people.
        campaign: The campaign's name.
        previous: The releases that it follows; several where branches were merged.
        made_with: Versions, by package.
        metrics: Numbers of metrics.json.
        changes: Since the release before.
        spent_usd: All that the journal says was billed, ever; exact decimals as text.
        spent_since_usd: The part of it that was not there before.
        cost_unknown: Calls of that part whose cost nobody knows.
        checks: Ranges by quantity, those that are always made among them, with other ranges for groups.
        measures: Identities of the measures.
        step_digests: By output, the digest of all that turns a raw image into a finished one.
        config: SHA-256 of each file that was written by people, by path.
        manifest: SHA-256 of the manifest's Parquet file.
        reviews: SHA-256 of the copy of config/reviews.csv; None where there was none.
        journal: What each file of the journal held, by its path in store/journal.
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

    def to_json(self) -> bytes:
        """Write it as its file holds it; equal records give equal bytes."""
        option = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
        return orjson.dumps(self.model_dump(mode="json"), option=option)

    def is_same_as(self, other: Record) -> bool:
        """Say whether both tell of the same state of a project, whenever they were written."""
        return self.model_copy(update={"at": other.at, "note": other.note}) == other


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record that is there.

    Attributes:
        record: What it says.
        digest: SHA-256 of its file.
    """

    record: Record
    digest: str


class BadRecordError(Exception):
    """A file that should be a record and is none; the message says why."""


def folder_of_release(name: str) -> Path:
    """Return where the record of a release is."""
    return RELEASES / name


def read_record_file(path: Path) -> StoredRecord:
    """Read one record.

    Raises:
        BadRecordError: If it is none.
        FileNotFoundError: If there is none.
    """
    data = path.read_bytes()
    try:
        return StoredRecord(Record.model_validate_json(data), hashlib.sha256(data).hexdigest())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BadRecordError(f"{where}: {first['msg']}") from None


def names_in(folder: Path) -> list[str]:
    """Return the names of all releases that have a record."""
    return sorted(path.parent.name for path in folder.glob(f"*/{RECORD_FILE}"))


def in_order(records: Mapping[str, StoredRecord]) -> list[str]:
    """Return names so that each release comes after those that it follows; what was made earlier comes first."""
    found: list[str] = []
    left = dict(records)
    while left:
        ready = [
            name
            for name, kept in left.items()
            if not any(before.release in left for before in kept.record.previous if before.release != name)
        ]
        # A circle can only come from tampering: it is shown in the order of time, and the digests tell.
        for name in sorted(ready or left, key=lambda name: (left[name].record.at, name)):
            found.append(name)
            del left[name]
    return found


def heads(records: Mapping[str, StoredRecord]) -> tuple[Previous, ...]:
    """Return the releases that no other one follows."""
    followed = {before.release for kept in records.values() for before in kept.record.previous}
    return tuple(Previous(release=name, record=records[name].digest) for name in sorted(set(records) - followed))


def read_all(folder: Path, names: Collection[str]) -> dict[str, StoredRecord]:
    """Read the records of some releases, in their order.

    Raises:
        BadRecordError: If one is none.
    """
    found = {name: read_record_file(folder / name / RECORD_FILE) for name in names}
    return {name: found[name] for name in in_order(found)}


def journal_prefixes(folder: Path) -> dict[str, Prefix]:
    """Read what each file of a journal holds now, by its path."""
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
