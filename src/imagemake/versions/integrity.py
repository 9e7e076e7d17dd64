"""Whether releases are still what was recorded: the chain of records, what they tell of, and where it was changed.

What this proves: against the digest of the last record, which git's tag holds and anybody may write down elsewhere,
nothing in the records, manifests, reviews, journal or store of any release before it was changed. What it does not
prove: that the records were true when they were written, or that nobody wrote all records and tags anew.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from imagemake.core.problems import UserError
from imagemake.plan.reviews import REVIEWS, read_rows
from imagemake.release.record import RESULTS
from imagemake.store.store import Store
from imagemake.versions import changes
from imagemake.versions.git import Git
from imagemake.versions.records import (
    MANIFEST_FILE,
    RECORD_FILE,
    RELEASES,
    REVIEWS_FILE,
    BadRecordError,
    Prefix,
    StoredRecord,
    in_order,
    names_in,
    read_record_file,
)

SHOWN = 5


@dataclass(frozen=True, slots=True)
class IntegrityFinding:
    """Something that is not as it was recorded.

    Attributes:
        where: The release, and the file.
        what: What was changed.
        is_missing: Whether it may simply not have been fetched.
    """

    where: str
    what: str
    is_missing: bool = False

    def __str__(self) -> str:
        return f"{'not here' if self.is_missing else 'CHANGED'}: {self.where}: {self.what}"


def findings(root: Path) -> tuple[list[str], list[IntegrityFinding]]:
    """Compare every release with its record.

    Returns:
        Names of the releases in their order, and what is not as it was recorded.
    """
    records: dict[str, StoredRecord] = {}
    found: list[IntegrityFinding] = []
    for name in names_in(root / RELEASES):
        path = RELEASES / name / RECORD_FILE
        try:
            records[name] = read_record_file(root / path)
        except BadRecordError as error:
            found.append(IntegrityFinding(f"{name}, {path}", f"it is no record any more: {error}"))
    order = in_order(records)
    git = Git(root)
    has_git = git.is_there()
    proof = _Proof(root, records)
    for name in order:
        found += proof.chain(name)
        if has_git:
            found += _tag(git, name, records[name])
        found += proof.files(name)
        found += proof.journal(name)
        found += proof.images(name)
    if order:
        found += proof.results(order[-1])
    return order, found


class _Proof:
    def __init__(self, root: Path, records: Mapping[str, StoredRecord]) -> None:
        self._root = root
        self._records = records
        store = Store(root / "store")
        self._journal = store.journal_folder
        self._raw: dict[str, set[str]] = {}
        for stored in store.raw.all():
            self._raw.setdefault(stored.key, set()).add(stored.digest)
        self._prefixes: dict[tuple[str, int], str | None] = {}

    def chain(self, name: str) -> Iterator[IntegrityFinding]:
        """Check the name, and the record before."""
        kept = self._records[name]
        path = RELEASES / name / RECORD_FILE
        if kept.record.release != name:
            yield IntegrityFinding(f"{name}, {path}", f"it is the record of {kept.record.release!r}")
        for before in kept.record.previous:
            other = self._records.get(before.release)
            where = f"{before.release}, {RELEASES / before.release / RECORD_FILE}"
            if other is None:
                yield IntegrityFinding(where, f"the record is gone, and {name} follows it")
            elif other.digest != before.record:
                yield IntegrityFinding(where, f"its digest is not the one that {name} recorded")

    def files(self, name: str) -> Iterator[IntegrityFinding]:
        """Check the copies beside the record, and that no decision was taken out of the reviews."""
        record = self._records[name].record
        for file, digest in ((MANIFEST_FILE, record.manifest), (REVIEWS_FILE, record.reviews)):
            path = RELEASES / name / file
            if digest is None:
                continue
            if not (self._root / path).is_file():
                yield IntegrityFinding(
                    f"{name}, {path}", "it is gone, or was not fetched (dvc pull releases)", is_missing=True
                )
            elif _digest(self._root / path) != digest:
                yield IntegrityFinding(f"{name}, {path}", "its content is not what was recorded")
            elif file == REVIEWS_FILE:
                yield from self._reviews(name, path)

    def _reviews(self, name: str, path: Path) -> Iterator[IntegrityFinding]:
        try:
            then, now = Counter(read_rows(self._root / path)), Counter(read_rows(self._root / REVIEWS))
        except UserError as error:
            yield IntegrityFinding(f"{name}, {REVIEWS}", f"it cannot be read: {error.problems[0].what}")
            return
        for key, review in then - now:
            who = f"{review.decision} by {review.reviewer or 'nobody named'} {review.time}".strip()
            yield IntegrityFinding(f"{name}, {REVIEWS}", f"a decision was changed or taken out: {who}, key {key}")

    def journal(self, name: str) -> Iterator[IntegrityFinding]:
        """Check that each file of the journal still begins as it did: it may only have grown."""
        record = self._records[name].record
        missing = []
        for path, prefix in record.journal.items():
            now = self._prefix(path, prefix)
            where = f"{name}, store/journal/{path}"
            if now is None:
                missing.append(path)
            elif now == "":
                yield IntegrityFinding(where, f"it was cut: {prefix.bytes:,} bytes were recorded")
            elif now != prefix.sha256:
                yield IntegrityFinding(where, f"its first {prefix.bytes:,} bytes are not what was recorded")
        if missing and len(missing) == len(record.journal):
            yield IntegrityFinding(f"{name}, store/journal", "the whole journal (dvc pull store)", is_missing=True)
        else:
            yield from (IntegrityFinding(f"{name}, store/journal/{path}", "the file is gone") for path in missing)

    def _prefix(self, path: str, prefix: Prefix) -> str | None:
        """Return the digest of a file's first bytes: None where there is no file, empty where there are fewer."""
        asked = (path, prefix.bytes)
        if asked not in self._prefixes:  # most files are the same in all releases
            try:
                with (self._journal / path).open("rb") as file:
                    data = file.read(prefix.bytes)
                digest = hashlib.sha256(data).hexdigest()
                self._prefixes[asked] = digest if len(data) == prefix.bytes else ""
            except OSError:
                self._prefixes[asked] = None
        return self._prefixes[asked]

    def images(self, name: str) -> Iterator[IntegrityFinding]:
        """Check that the store holds the raw image of everything that was released, by key and digest."""
        path = self._root / RELEASES / name / MANIFEST_FILE
        if not path.is_file() or _digest(path) != self._records[name].record.manifest:
            return  # told already
        rows = [row for row in changes.read_rows(path, ("name", "file", "key", "raw_digest")) if row["file"]]
        for row in rows:
            if row["raw_digest"] not in self._raw.get(row["key"], (row["raw_digest"],)):
                what = f"another image has the place of {row['raw_digest']}"
                yield IntegrityFinding(f"{name}, store/raw, {row['name']}, key {row['key']}", what)
        gone = [row["name"] for row in rows if row["key"] not in self._raw]
        if gone:
            shown = ", ".join(gone[:SHOWN]) + (" …" if len(gone) > SHOWN else "")
            what = f"{len(gone):,} of {len(rows):,} raw images as they were released: {shown}"
            yield IntegrityFinding(
                f"{name}, store/raw", f"{what} (dvc pull store, or they were taken out)", is_missing=True
            )

    def results(self, name: str) -> Iterator[IntegrityFinding]:
        """Check the released files, where ``results/`` shows the last release."""
        manifest = self._root / RESULTS / MANIFEST_FILE
        if not manifest.is_file() or _digest(manifest) != self._records[name].record.manifest:
            return
        for file, digest in changes.released_files(manifest):
            path = RESULTS / file
            if not (self._root / path).is_file():
                yield IntegrityFinding(f"{name}, {path}", "the released file", is_missing=True)
            elif _digest(self._root / path) != digest:
                yield IntegrityFinding(f"{name}, {path}", "its content is not what was released")


def _tag(git: Git, name: str, kept: StoredRecord) -> Iterator[IntegrityFinding]:
    path = RELEASES / name / RECORD_FILE
    if not git.has_tag(name):
        yield IntegrityFinding(
            f"{name}, git tag", "there is no such tag (git fetch --tags); not finished?", is_missing=True
        )
        return
    content = git.content(f"refs/tags/{name}", path)
    if content is None or hashlib.sha256(content).hexdigest() != kept.digest:
        yield IntegrityFinding(f"{name}, {path}", "it is not the file that the git tag holds")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
