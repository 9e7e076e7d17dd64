"""Traces an image through file, manifest, store, journal, and reviews, and reports where they disagree."""

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
from imagemake.images.decoded import Undecodable, decode_image
from imagemake.images.metadata.c2pa import without_manifest
from imagemake.images.metadata.xmp import packet_of, without_packet
from imagemake.images.repair_mask import MASK_EXTENSION
from imagemake.plan.reviews import read_rows
from imagemake.release.credentials.report import Credentials, credentials_of
from imagemake.release.manifest.reading import PARQUET, output_columns, rows_of, text_row
from imagemake.release.manifest.tables import files_in
from imagemake.release.xmp_packet import properties_in
from imagemake.store.journal import Call, read_calls
from imagemake.store.layout import RELEASE_FOLDERS, STORE
from imagemake.store.ledger import listed
from imagemake.store.store import Store, StoredFile

Row = Mapping[str, str]

_KEY = re.compile(r"[0-9a-f]{64}")
_STORED = re.compile(r"([0-9a-f]{64})\.([0-9a-f]{64})\.\w+")
MAX_AGAIN = 100  # how often one image can be reproduced
_LOOKED_AT = ("name", "key", "file", "digest", "finished_digest", "raw_digest", "history")
_IN_XMP = {"Key": "key", "Name": "name", "Provider": "provider", "Model": "model", "Seed": "seed"}


@dataclass(slots=True)
class FileFacts:
    """Facts from a file itself.

    Attributes:
        path: Path of the file.
        digest: SHA-256 of its bytes.
        content_digest: SHA-256 of its bytes without XMP and content credentials.
        xmp: Properties of its XMP, such as ``imagemake:Key``.
        credentials: Result of checking its content credentials; None if it has none.
    """

    path: str
    digest: str
    content_digest: str
    xmp: Mapping[str, str] = field(default_factory=dict)
    credentials: Credentials | None = None

    def own_property(self, name: str) -> str | None:
        """Return a property of the ``imagemake`` namespace."""
        return self.xmp.get(f"imagemake:{name}")


@dataclass(slots=True)
class Inspection:
    """Everything known about one image.

    Attributes:
        key: Key of the attempt.
        file: Facts from the file; None if a key or a name was given.
        row: Its manifest row, as text; None if no release has the image.
        release: Folder of that release.
        recipe: Recipe of the key.
        calls: All calls for this and the request's other attempts, oldest first.
        raw: Path of its raw image in the store.
        raw_notes: What decoding the raw image had to leave out, such as a damaged color profile.
        raw_credentials: Content credentials of the raw image; None if it has none.
        mask: Path of the mask in the store; None if none was sent.
        repair: What a repair with a mask could change: image, reasons, size_px, and boxes_px; None for other attempts.
        reviews: All rows of the reviews about it.
        mismatches: Contradictions between the sources, one sentence each.
    """

    key: str
    file: FileFacts | None = None
    row: Row | None = None
    release: str | None = None
    recipe: Mapping[str, Any] | None = None
    calls: list[Mapping[str, Any]] = field(default_factory=list)
    raw: str | None = None
    raw_notes: tuple[str, ...] = ()
    raw_credentials: Credentials | None = None
    mask: str | None = None
    repair: Mapping[str, Any] | None = None
    reviews: list[Mapping[str, str]] = field(default_factory=list)
    mismatches: list[str] = field(default_factory=list)


class Inspector:
    """Looks up images in a project.

    Args:
        root: The project's folder.
        anchors: Trusted root certificates, in PEM.
    """

    def __init__(self, root: Path, anchors: str = "") -> None:
        self._root, self._anchors = root, anchors
        self._store = Store(root / STORE)

    def inspect(self, asked: str) -> Inspection:
        """Return everything known about a file, a key, or a name.

        Raises:
            UserError: If the project does not know it.
        """
        path = Path(asked)
        file = _read_file(path, self._anchors) if path.is_file() else None
        release, row = self._row_of(asked, file)
        key = self._key_of(asked, file, row)
        found = Inspection(key, file, row, release)
        keys = {key, *(past["key"] for past in history_of(row))} | ({row["key"]} if row else set())
        calls = [call for call in read_calls(self._store.journal_folder) if call.sent["key"] in keys]
        calls.sort(key=lambda call: str(call.sent["at"]))
        found.calls = [_call_facts(call) for call in calls]
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
            data = path.read_bytes()
            found.raw, found.raw_credentials = str(path), credentials_of(data, self._anchors)
            with suppress(Undecodable):
                found.raw_notes = tuple(decode_image(data).notes)
        masked = found.recipe.get("mask") if found.recipe else None
        mask = self._store.references.find(masked) if masked else None
        if mask is not None:
            path = self._store.references.path(mask)
            found.mask = str(path)
            if mask.extension == MASK_EXTENSION:
                with suppress(ValueError):  # damaged
                    found.repair = orjson.loads(path.read_bytes())
        found.mismatches = [*self._in_store(stored), *_in_file(file, row), *_in_journal(own, key)]
        if row is None and not calls and found.raw is None:
            found.mismatches.append("this key is in no manifest, journal, or store of this project")
        return found

    def _row_of(self, asked: str, file: FileFacts | None) -> tuple[str | None, Row | None]:
        """Return the best matching row: by key, else by content, else by name."""
        found: dict[int, tuple[Path, int]] = {}
        key = file.own_property("Key") if file else asked.lower()
        stored = _STORED.fullmatch(Path(asked).name)
        digests = {file.digest, file.content_digest} if file else set()
        own_name = Path(asked).name
        for manifest in self._manifests():
            for number, row in enumerate(rows_of(manifest, (*_LOOKED_AT, *output_columns(manifest)))):
                past = history_of(row)
                by_key = {row["key"], *(one["key"] for one in past)}
                by_digest = _digests_of(row)
                names = {row["name"], *(one["file"].rpartition("/")[2] for one in files_in(row).values())}
                ranks = (key in by_key, bool(stored and stored[1] in by_key), not digests.isdisjoint(by_digest))
                rank = ranks.index(True) if True in ranks else 3 if own_name in names else None
                if rank is not None:
                    found.setdefault(rank, (manifest, number))
        if not found:
            return None, None
        manifest, number = found[min(found)]
        return str(manifest.parent.relative_to(self._root)), text_row(manifest, number)

    def _manifests(self) -> Iterator[Path]:
        paths = (self._root / folder / PARQUET for folder in RELEASE_FOLDERS.values())
        return (path for path in paths if path.is_file())

    def _key_of(self, asked: str, file: FileFacts | None, row: Row | None) -> str:
        key = (file.own_property("Key") or "").lower() if file else asked.lower()
        if _KEY.fullmatch(key):
            return key
        stored = _STORED.fullmatch(Path(asked).name)
        if stored and self._store.raw.find(stored[1]):
            return stored[1]
        if row is not None:
            past = {one["raw_digest"]: str(one["key"]) for one in history_of(row)}
            return past.get(file.digest, row["key"]) if file else row["key"]
        if file and "imagemake:Name" in file.xmp:
            remedy = "The JSON file beside it names the images on it. Inspect one of them."
            raise UserError(Problem(asked, "this is a sheet.", remedy))
        what = "the file has no key, and no release has the file." if file else "no file or image has this name."
        remedy = "In the project that generated it, pass an image, a 64-digit key, or a name from the manifest."
        raise UserError(Problem(asked, what, remedy))

    def _in_store(self, stored: StoredFile | None) -> Iterator[str]:
        path = self._store.raw.path(stored) if stored else None
        if stored and path and hashlib.sha256(path.read_bytes()).hexdigest() != stored.digest:
            yield f"{path} is damaged: its content does not match its name. Run `imagemake verify`"


def _read_file(path: Path, anchors: str) -> FileFacts:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    facts = FileFacts(str(path), digest, digest, credentials=credentials_of(data, anchors))
    with suppress(ValueError):  # not an image, or unreadable XMP
        packet = packet_of(data)
        facts.xmp = properties_in(packet) if packet is not None else {}
    with suppress(ValueError):  # a damaged image
        facts.content_digest = hashlib.sha256(without_packet(without_manifest(data))).hexdigest()
    return facts


def history_of(row: Row | None) -> list[Mapping[str, Any]]:
    """Return the earlier attempts that a row lists, oldest first."""
    return orjson.loads(row["history"]) if row and row["history"] else []


def _digests_of(row: Row) -> set[str]:
    """Return the digests of all files that a row lists."""
    digests = {one[name] for one in files_in(row).values() for name in ("digest", "finished_digest")}
    digests |= {row["raw_digest"], *(past["raw_digest"] or "" for past in history_of(row))}
    return {digest for digest in digests if digest}


def _call_facts(call: Call) -> Mapping[str, Any]:
    cost_usd = listed(call)["cost_usd"]
    facts = {**listed(call), "cost_usd": None if cost_usd is None else float(cost_usd), "key": call.sent["key"]}
    closed = call.closed or {}
    return {**facts, "message": closed.get("message"), "origin": closed.get("origin")}


def _in_file(file: FileFacts | None, row: Row | None) -> Iterator[str]:
    if file is None:
        return
    stored = _STORED.fullmatch(Path(file.path).name)
    if stored and stored[2] != file.digest:
        yield f"{file.path} is damaged: its content does not match its name. Run `imagemake verify`"
    if file.credentials and file.credentials.state in ("tampered", "unreadable"):
        failures = "; ".join(file.credentials.failures)
        yield f"its content credentials are invalid ({file.credentials.state}): {failures}"
    content = file.own_property("ContentDigest")
    if content is not None and content != file.content_digest:
        yield "the file was changed after its release: its content does not match the digest in its XMP"
    if row is None:
        return
    known = _digests_of(row)
    if file.digest not in known:
        same = file.content_digest in known
        yield "the manifest has another file: " + ("only its metadata differs" if same else "its content differs")
    for name, column in _IN_XMP.items():
        value = file.own_property(name)
        if value is not None and value != row[column]:
            yield f"{column} is {value[:80]!r} in its XMP, but {row[column][:80]!r} in the manifest"


def _in_journal(calls: list[Call], key: str) -> Iterator[str]:
    for call in calls:
        try:
            of_recipe = Recipe.from_dict(call.sent["recipe"]).key()
            is_own = key in (
                of_recipe,
                *(reproduction_key(of_recipe, number) for number in range(1, MAX_AGAIN)),
            )
        except (ValueError, KeyError):
            is_own = False
        if not is_own:
            yield f"the recipe of the call at {call.sent['at']} in the journal does not produce this key"
            return
