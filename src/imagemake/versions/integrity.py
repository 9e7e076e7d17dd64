"""Checks that releases are unchanged: the chain of records, and everything that the records contain digests of.

The digest of the latest record is in a git tag, and you can also write it down elsewhere. Relative to that digest, this
proves that no record, manifest, review, journal, or store of an earlier release was changed. It does not prove that the
records were correct when they were written, or that nobody rewrote all records and tags.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, tee
from pathlib import Path

from imagemake.config.fields import CONFIG
from imagemake.core.hashing import each_sha256, file_sha256
from imagemake.core.problems import UserError
from imagemake.plan.reviews import REVIEWS, read_rows
from imagemake.release.manifest.reading import released_files, rows_of
from imagemake.store.layout import RELEASES, RESULTS, STORE
from imagemake.store.store import Store
from imagemake.versions.exported import files_in_list
from imagemake.versions.git import Git
from imagemake.versions.records import (
    EXPORTS_FILE,
    MANIFEST_FILE,
    RECORD_FILE,
    REVIEWS_FILE,
    BadRecordError,
    Prefix,
    StoredRecord,
    in_order,
    names_in,
    read_record_file,
)

MAX_SHOWN = 5


@dataclass(frozen=True, slots=True)
class IntegrityFinding:
    """A difference between a release and its record.

    Attributes:
        where: The release and the file.
        what: What was changed.
        is_missing: Whether the file may just not have been fetched.
    """

    where: str
    what: str
    is_missing: bool = False

    def __str__(self) -> str:
        return f"{'missing' if self.is_missing else 'CHANGED'}: {self.where}: {self.what}"


def check_releases(root: Path, tell: Callable[[str], None]) -> tuple[list[str], list[IntegrityFinding]]:
    """Compare every release with its record.

    Args:
        root: The project's folder.
        tell: Called regularly with what is checked.

    Returns:
        Names of the releases, oldest first, and all differences.
    """
    records: dict[str, StoredRecord] = {}
    found: list[IntegrityFinding] = []
    for name in names_in(root / RELEASES):
        path = RELEASES / name / RECORD_FILE
        try:
            records[name] = read_record_file(root / path)
        except BadRecordError as error:
            found.append(IntegrityFinding(f"{name}, {path}", f"the record is invalid: {error}"))
    order = in_order(records)
    git = Git(root)
    has_git = git.is_there()
    checker = _ReleaseChecker(root, records)
    for number, name in enumerate(order, 1):
        tell(f"release {name}, {number:,} of {len(order):,}")
        found += checker.chain(name)
        if has_git:
            found += _tag(git, name, records[name])
        found += checker.files(name)
        found += checker.journal(name)
        found += checker.images(name)
    if order:
        found += checker.results(order[-1], tell)
    return order, found


class _ReleaseChecker:
    def __init__(self, root: Path, records: Mapping[str, StoredRecord]) -> None:
        self._root = root
        self._records = records
        store = Store(root / STORE)
        self._journal = store.journal_folder
        self._raw: dict[str, tuple[str, ...]] = {}
        for stored in store.raw.all():
            self._raw[stored.key] = (*self._raw.get(stored.key, ()), stored.digest)
        self._prefixes: dict[tuple[str, int], str | None] = {}

    def chain(self, name: str) -> Iterator[IntegrityFinding]:
        """Check the record's name and the records that it follows."""
        kept = self._records[name]
        path = RELEASES / name / RECORD_FILE
        if kept.record.release != name:
            yield IntegrityFinding(f"{name}, {path}", f"this is the record of {kept.record.release!r}")
        for before in kept.record.previous:
            other = self._records.get(before.release)
            where = f"{before.release}, {RELEASES / before.release / RECORD_FILE}"
            if other is None:
                yield IntegrityFinding(where, f"the record is missing, but {name} follows it")
            elif other.digest != before.record:
                yield IntegrityFinding(where, f"its digest differs from the one in the record of {name}")

    def files(self, name: str) -> Iterator[IntegrityFinding]:
        """Check the copies beside the record, and that no decision was removed from the reviews."""
        record = self._records[name].record
        kept = {MANIFEST_FILE: record.manifest, REVIEWS_FILE: record.reviews, EXPORTS_FILE: record.exports}
        for file, digest in kept.items():
            path = RELEASES / name / file
            if digest is None:
                continue
            if not (self._root / path).is_file():
                yield IntegrityFinding(
                    f"{name}, {path}", "deleted, or not fetched (dvc pull releases)", is_missing=True
                )
            elif file_sha256(self._root / path) != digest:
                yield IntegrityFinding(f"{name}, {path}", "its content differs from the record")
            elif file == REVIEWS_FILE:
                yield from self._reviews(name, path)

    def _reviews(self, name: str, path: Path) -> Iterator[IntegrityFinding]:
        try:
            then, now = Counter(read_rows(self._root / path)), Counter(read_rows(self._root / REVIEWS))
        except UserError as error:
            yield IntegrityFinding(f"{name}, {REVIEWS}", f"the file is invalid: {error.problems[0].what}")
            return
        for key, review in then - now:
            who = f"{review.decision} by {review.reviewer or 'an unnamed reviewer'} {review.time}".strip()
            yield IntegrityFinding(f"{name}, {REVIEWS}", f"a decision was changed or removed: {who}, key {key}")

    def journal(self, name: str) -> Iterator[IntegrityFinding]:
        """Check that each journal file still starts with its recorded content. Files may only have grown."""
        record = self._records[name].record
        missing = []
        for path, prefix in record.journal.items():
            now = self._prefix(path, prefix)
            where = f"{name}, store/journal/{path}"
            if now is None:
                missing.append(path)
            elif now == "":
                yield IntegrityFinding(where, f"the file was truncated: {prefix.bytes:,} bytes were recorded")
            elif now != prefix.sha256:
                yield IntegrityFinding(where, f"its first {prefix.bytes:,} bytes differ from the record")
        if missing and len(missing) == len(record.journal):
            yield IntegrityFinding(f"{name}, store/journal", "the whole journal (dvc pull store)", is_missing=True)
        else:
            yield from (IntegrityFinding(f"{name}, store/journal/{path}", "the file is missing") for path in missing)

    def _prefix(self, path: str, prefix: Prefix) -> str | None:
        """Return the digest of a file's first bytes; None if the file is missing, empty if it is shorter."""
        cached = (path, prefix.bytes)
        if cached not in self._prefixes:  # most releases share most files
            try:
                with (self._journal / path).open("rb") as file:
                    data = file.read(prefix.bytes)
                digest = hashlib.sha256(data).hexdigest()
                self._prefixes[cached] = digest if len(data) == prefix.bytes else ""
            except OSError:
                self._prefixes[cached] = None
        return self._prefixes[cached]

    def images(self, name: str) -> Iterator[IntegrityFinding]:
        """Check that the store has the raw image of every released file, by key and digest."""
        path = self._root / RELEASES / name / MANIFEST_FILE
        if not path.is_file() or file_sha256(path) != self._records[name].record.manifest:
            return  # `files` reports this
        n_images, gone = 0, list[str]()
        for row in rows_of(path, ("name", "file", "key", "raw_digest")):
            if not row["file"]:
                continue
            n_images += 1
            digests = self._raw.get(row["key"])
            if digests is None:
                gone.append(row["name"])
            elif row["raw_digest"] not in digests:
                what = f"another image replaced {row['raw_digest']}"
                yield IntegrityFinding(f"{name}, store/raw, {row['name']}, key {row['key']}", what)
        if gone:
            shown = ", ".join(gone[:MAX_SHOWN]) + (" …" if len(gone) > MAX_SHOWN else "")
            what = f"{len(gone):,} of {n_images:,} raw images: {shown}"
            yield IntegrityFinding(
                f"{name}, store/raw", f"{what} (deleted, or not fetched: dvc pull store)", is_missing=True
            )

    def results(self, name: str, tell: Callable[[str], None]) -> Iterator[IntegrityFinding]:
        """Check the released files, if ``results/`` contains the latest release."""
        manifest = self._root / RESULTS / MANIFEST_FILE
        if not manifest.is_file() or file_sha256(manifest) != self._records[name].record.manifest:
            return
        released, again = tee(chain(released_files(manifest), self._exported(name)))
        digests = each_sha256(self._root / RESULTS / file for file, _ in again)
        for number, ((file, digest), now) in enumerate(zip(released, digests, strict=True), 1):
            tell(f"release {name}, {number:,} files in {RESULTS}/")
            path = RESULTS / file
            if now != digest and not (self._root / path).is_file():
                yield IntegrityFinding(f"{name}, {path}", "the released file", is_missing=True)
            elif now != digest:
                yield IntegrityFinding(f"{name}, {path}", "its content differs from the release")

    def _exported(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield path and digest of each exported file, unless the configuration asks for other exports now."""
        record, listed = self._records[name].record, self._root / RELEASES / name / EXPORTS_FILE
        config = self._root / CONFIG
        is_same = config.is_file() and record.config.get(CONFIG) == file_sha256(config)
        if record.exports and is_same and listed.is_file() and file_sha256(listed) == record.exports:
            yield from files_in_list(listed.read_text(encoding="utf-8"))


def _tag(git: Git, name: str, kept: StoredRecord) -> Iterator[IntegrityFinding]:
    path = RELEASES / name / RECORD_FILE
    if not git.has_tag(name):
        yield IntegrityFinding(
            f"{name}, git tag", "the tag is missing (git fetch --tags), or the release is unfinished", is_missing=True
        )
        return
    content = git.content(f"refs/tags/{name}", path)
    if content is None or hashlib.sha256(content).hexdigest() != kept.digest:
        yield IntegrityFinding(f"{name}, {path}", "it differs from the file in the git tag")
