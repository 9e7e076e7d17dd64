"""From one image back to where it came from: file, manifest, store, journal and reviews, and where they disagree."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from imagemake.core.problems import Problem, UserError
from imagemake.core.recipe import Recipe, reproduction_key
from imagemake.images.metadata.c2pa import without_manifest
from imagemake.images.metadata.xmp import packet_of, without_packet
from imagemake.plan.reviews import read_rows
from imagemake.release.credentials.report import Credentials, credentials_of
from imagemake.release.manifest.tables import files_in, read_manifest
from imagemake.release.provenance import properties_in
from imagemake.store.journal import Call, read_calls
from imagemake.store.ledger import listed
from imagemake.store.store import Store, StoredFile

Row = Mapping[str, str]

_KEY = re.compile(r"[0-9a-f]{64}")
_STORED = re.compile(r"([0-9a-f]{64})\.([0-9a-f]{64})\.\w+")
MOST_AGAIN = 100  # times that somebody makes an image again
_IN_XMP = {"Key": "key", "Name": "name", "Provider": "provider", "Model": "model", "Seed": "seed"}


@dataclass(slots=True)
class FileFacts:
    """What a file says by itself.

    Attributes:
        path: Where it is.
        digest: SHA-256 of its bytes.
        content_digest: SHA-256 of it without XMP and content credentials.
        xmp: Properties of its XMP, such as ``imagemake:Key``.
        credentials: What its content credentials come to; None where it has none.
    """

    path: str
    digest: str
    content_digest: str
    xmp: Mapping[str, str] = field(default_factory=dict)
    credentials: Credentials | None = None

    def ours(self, name: str) -> str | None:
        """Return one of our own properties."""
        return self.xmp.get(f"imagemake:{name}")


@dataclass(slots=True)
class Inspection:
    """All that is known about one image.

    Attributes:
        key: Of the attempt that was asked for.
        file: What the file says; None where a key or a name was asked for.
        row: Its row of a manifest, as text; None where no release has it.
        release: That release's folder.
        recipe: What decided its pixels.
        calls: Every call for it and for the other attempts at the same request, oldest first.
        raw: Its raw image in the store.
        raw_credentials: What content credentials its provider gave that one; None where there are none.
        reviews: Every row of the reviews about it.
        mismatches: What does not fit together, a sentence each.
    """

    key: str
    file: FileFacts | None = None
    row: Row | None = None
    release: str | None = None
    recipe: Mapping[str, Any] | None = None
    calls: list[Mapping[str, Any]] = field(default_factory=list)
    raw: str | None = None
    raw_credentials: Credentials | None = None
    reviews: list[Mapping[str, str]] = field(default_factory=list)
    mismatches: list[str] = field(default_factory=list)


class Inspector:
    """Looks one image up in a project.

    Args:
        root: The project's folder.
        anchors: PEM: the root certificates whose signers are trusted.
    """

    def __init__(self, root: Path, anchors: str = "") -> None:
        self._root, self._anchors = root, anchors
        self._store = Store(root / "store")

    def inspect(self, asked: str) -> Inspection:
        """Find out all about a file, a key, or a name.

        Raises:
            UserError: If nothing here knows it.
        """
        path = Path(asked)
        file = _read_file(path, self._anchors) if path.is_file() else None
        release, row = self._row_of(asked, file)
        key = self._key_of(asked, file, row)
        found = Inspection(key, file, row, release)
        keys = {key, *(past["key"] for past in history_of(row))} | ({row["key"]} if row else set())
        calls = [call for call in read_calls(self._store.journal_folder) if call.sent["key"] in keys]
        calls.sort(key=lambda call: str(call.sent["at"]))
        found.calls = [_told(call) for call in calls]
        own = [call for call in calls if call.sent["key"] == key]
        found.recipe = own[-1].sent["recipe"] if own else None
        found.reviews = [
            {"decision": review.decision, "note": review.note, "reviewer": review.reviewer, "time": review.time}
            for of_key, review in read_rows(self._root / "config" / "reviews.csv")
            if of_key == key
        ]
        stored = self._store.raw.find(key)
        if stored is not None:
            path = self._store.raw.path(stored)
            found.raw, found.raw_credentials = str(path), credentials_of(path.read_bytes(), self._anchors)
        found.mismatches = [*self._in_store(stored), *_in_file(file, row), *_in_journal(own, key)]
        if row is None and not calls and found.raw is None:
            found.mismatches.append("neither manifest, journal nor store of this project knows this key")
        return found

    def _rows(self) -> Iterator[tuple[str, Row]]:
        for folder in ("results", "results/small", "results/pilot"):
            path = self._root / folder / "manifest.csv"
            if path.is_file():
                yield from ((folder, row) for row in read_manifest(path))

    def _row_of(self, asked: str, file: FileFacts | None) -> tuple[str | None, Row | None]:
        """Return the row that says most: of the key, else of the bytes, else of the name."""
        found: dict[int, tuple[str, Row]] = {}
        key = file.ours("Key") if file else asked.lower()
        stored = _STORED.fullmatch(Path(asked).name)
        digests = {file.digest, file.content_digest} if file else set()
        for folder, row in self._rows():
            past = history_of(row)
            by_key = {row["key"], *(one["key"] for one in past)}
            by_digest = _digests_of(row)
            names = {row["name"], *(Path(one["file"]).name for one in files_in(row).values())}
            ranks = (key in by_key, bool(stored and stored[1] in by_key), bool(digests & by_digest))
            rank = ranks.index(True) if True in ranks else 3 if Path(asked).name in names else None
            if rank is not None:
                found.setdefault(rank, (folder, row))
        return found[min(found)] if found else (None, None)

    def _key_of(self, asked: str, file: FileFacts | None, row: Row | None) -> str:
        told = (file.ours("Key") or "").lower() if file else asked.lower()
        if _KEY.fullmatch(told):
            return told
        stored = _STORED.fullmatch(Path(asked).name)
        if stored and self._store.raw.find(stored[1]):
            return stored[1]
        if row is not None:
            past = {one["raw_digest"]: str(one["key"]) for one in history_of(row)}
            return past.get(file.digest, row["key"]) if file else row["key"]
        what = (
            "says no key, and no release here has such a file" if file else "is no file, and no release has that name"
        )
        if file and "imagemake:Name" in file.xmp:
            what, remedy = "is a sheet", "The JSON beside it names the images on it: inspect one of them."
            raise UserError(Problem(asked, what, remedy))
        remedy = "Run this in the project that made it; give an image, a key of 64 digits, or a name of the manifest."
        raise UserError(Problem(asked, what, remedy))

    def _in_store(self, stored: StoredFile | None) -> Iterator[str]:
        path = self._store.raw.path(stored) if stored else None
        if stored and path and hashlib.sha256(path.read_bytes()).hexdigest() != stored.digest:
            yield f"{path} is damaged: its bytes do not fit its name; run `imagemake verify`"


def _read_file(path: Path, anchors: str) -> FileFacts:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    facts = FileFacts(str(path), digest, digest, credentials=credentials_of(data, anchors))
    with suppress(ValueError):  # no image, or another's XMP
        packet = packet_of(data)
        facts.xmp = properties_in(packet) if packet is not None else {}
    with suppress(ValueError):  # a damaged one
        facts.content_digest = hashlib.sha256(without_packet(without_manifest(data))).hexdigest()
    return facts


def history_of(row: Row | None) -> list[Mapping[str, Any]]:
    """Return the earlier attempts that a row tells of, oldest first."""
    return orjson.loads(row["history"]) if row and row["history"] else []


def _digests_of(row: Row) -> set[str]:
    """Return the digests of every file that a row tells of."""
    digests = {one[name] for one in files_in(row).values() for name in ("digest", "finished_digest")}
    digests |= {row["raw_digest"], *(past["raw_digest"] or "" for past in history_of(row))}
    return digests - {""}


def _told(call: Call) -> Mapping[str, Any]:
    cost_usd = listed(call)["cost_usd"]
    told = {**listed(call), "cost_usd": None if cost_usd is None else float(cost_usd), "key": call.sent["key"]}
    closed = call.closed or {}
    return {**told, "message": closed.get("message"), "origin": closed.get("origin")}


def _in_file(file: FileFacts | None, row: Row | None) -> Iterator[str]:
    if file is None:
        return
    stored = _STORED.fullmatch(Path(file.path).name)
    if stored and stored[2] != file.digest:
        yield f"{file.path} is damaged: its bytes do not fit its name; run `imagemake verify`"
    if file.credentials and file.credentials.state in ("tampered", "unreadable"):
        yield f"its content credentials do not hold ({file.credentials.state}): {'; '.join(file.credentials.failures)}"
    content = file.ours("ContentDigest")
    if content is not None and content != file.content_digest:
        yield "the file was changed after its release: its content is not what its own XMP says"
    if row is None:
        return
    known = _digests_of(row)
    if file.digest not in known:
        same = file.content_digest in known
        yield "the manifest has another file: " + ("only its metadata differs" if same else "its content differs")
    for name, column in _IN_XMP.items():
        told = file.ours(name)
        if told is not None and told != row[column]:
            yield f"its XMP says {column} {told[:80]!r}, and the manifest {row[column][:80]!r}"


def _in_journal(calls: list[Call], key: str) -> Iterator[str]:
    for call in calls:
        try:
            of_recipe = Recipe.from_dict(call.sent["recipe"]).key()
            is_own = key in (of_recipe, *(reproduction_key(of_recipe, number) for number in range(1, MOST_AGAIN)))
        except (ValueError, KeyError):
            is_own = False
        if not is_own:
            yield f"the journal's recipe of the call of {call.sent['at']} does not give this key"
            return
