"""The record of what a release was made of, so that an up-to-date release is not written again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from imagemake import __version__
from imagemake.core.fingerprint import fingerprint
from imagemake.core.sealed import read_sealed, write_sealed
from imagemake.plan.requests.model_files import are_as_before
from imagemake.plan.reviews import REVIEWS
from imagemake.plan.settled.decides import what_decides
from imagemake.plan.shown import release_digest, shown_of
from imagemake.plan.state import OPEN, Stage, State, counts
from imagemake.release.credentials.certificate import file_digest
from imagemake.release.images_folder import digest_of_images
from imagemake.release.manifest.row import MANIFEST_VERSION
from imagemake.store.layout import (
    EXPORTS,
    IMAGE,
    IMAGES,
    MEASURED_TABLES,
    PAGE,
    PAGE_PARTS,
    SHEETS,
    results_folder,
    settled_folder,
)
from imagemake.store.names import names_digest

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.requests.catalog import Catalog
    from imagemake.plan.target import Target
    from imagemake.store.store import Store

FILES = ("manifest.csv", "manifest.parquet", "manifest.schema.json", "metrics.json", PAGE, "review.csv")
RECORD = "release.json"
NOBODY: Mapping[str, str] = {}
NOTHING: Mapping[str, int] = {}
NO_MODELS: Mapping[str, list[Any]] = {}
NO_EXPORTS: Mapping[str, Sequence[str]] = {}


def known_counts(target: Target, store: Store, work: Path) -> Mapping[Stage, int] | None:
    """Check quickly whether nothing changed since a release without open requests.

    This needs neither keys nor measures, and no row of a catalog's file that is as it was, so a run with nothing to do
    is fast.

    Returns:
        Number of requests by stage, which is the same as at that release; None if something may have changed.
    """
    folder = results_folder(target.scope)
    record = {} if target.scope.startswith(IMAGE) else read_record(folder)
    if record.get("open") != 0 or record.get("unsigned") or record.get("seen") != _seen(target, store, work):
        return None
    has_same_files = target.files.hold(record.get("references", {}))
    if not (_has_same_rows(record, target.catalog) and has_same_files and _has_same_models(record, target.campaign)):
        return None
    if not (all((folder / name).exists() for name in FILES) and has_exports(record, folder)):
        return None
    if record.get("images") != images_digest(target.campaign, folder):
        return None
    if any(record.get(part) != digest_of_names(names_in(folder / part)) for part in (SHEETS, PAGE_PARTS)):
        return None
    return {Stage(stage): count for stage, count in record["counts"].items()}


def _has_same_rows(record: Mapping[str, Any], catalog: Catalog) -> bool:
    return record.get("catalog") == catalog.digest or record.get("rows") == catalog.records.digest


def _has_same_models(record: Mapping[str, Any], campaign: Campaign) -> bool:
    return are_as_before(record.get("models", {}), campaign)


def _seen(target: Target, store: Store, work: Path) -> str:
    """Return a digest of what decides the states beside the catalog: the campaign, and the names of the files."""
    tables = (names_in(work / folder) for folder in MEASURED_TABLES)
    images = names_digest((store.raw, store.finished), settled_folder(work) / "names.json")
    wanted = {
        **what_decides(target.campaign),
        "manifest": MANIFEST_VERSION,
        "certificate": file_digest(target.campaign.c2pa),
        "reviews": REVIEWS.read_text(errors="replace") if REVIEWS.is_file() else "",
    }
    return fingerprint([fingerprint(wanted), images, *map(digest_of_names, tables)])


def digest_of_names(names: Iterable[str]) -> str:
    """Return a digest of names, in any order."""
    digest, end = hashlib.sha256(), b""
    for name in sorted(names):  # joined, those of a million images would take as much memory again
        digest.update(end + name.encode())
        end = b"\n"
    return digest.hexdigest()


def read_record(folder: Path) -> Mapping[str, Any]:
    """Read the record of a release; empty if it is missing or damaged, so that the release is written again."""
    return read_sealed(folder / RECORD) or {}


def exported_before(folder: Path) -> list[str]:
    """Return the files of all exports of a release, relative to the exports' folder."""
    return [name for names in read_record(folder).get("exports", {}).values() for name in names]


def built_by(scope: str) -> str:
    """Return the version of imagemake that wrote a release last; empty if there is none, or no record."""
    return "" if scope.startswith(IMAGE) else str(read_record(results_folder(scope)).get("imagemake", ""))


def upgrade_words(scope: str) -> list[str]:
    """Return a line for the plan if another version wrote the release last, which may be why something is due."""
    last = built_by(scope)
    return [f"  Last built by imagemake {last}; this is {__version__}."] if last not in ("", __version__) else []


def write_record(
    target: Target,
    states: Sequence[State],
    store: Store,
    work: Path,
    unsigned: Mapping[str, str] = NOBODY,
    *,
    missing: Mapping[str, int] = NOTHING,
    exports: Mapping[str, Sequence[str]] = NO_EXPORTS,
    n_settled: int = 0,
    shown: bytes | None = None,
    models: Mapping[str, list[Any]] = NO_MODELS,
    images: str | None = None,
) -> str:
    """Write the record of a release, after all of its other files, and return the digest of its images.

    Args:
        target: The requests and the campaign.
        states: The states of the requests.
        store: The store.
        work: The folder of tables.
        unsigned: Why images could not be signed, by file name. The next run tries again.
        missing: How many requested images are missing, by stage.
        exports: The files of each export, by label, relative to the exports' folder.
        n_settled: Number of further requests, which are done.
        shown: What the release shows of all requests; by default, of these.
        models: The models with files that made them.
        images: From `images_digest`; by default, looked up.
    """
    folder = results_folder(target.scope)
    ended = {**counts(states)}
    ended[Stage.DONE] += n_settled
    images = images or images_digest(target.campaign, folder)
    record = {
        "imagemake": __version__,
        "campaign": target.campaign.campaign,
        "manifest_schema": MANIFEST_VERSION,
        "digest": release_digest(shown_of(states) if shown is None else shown, target.campaign),
        "counts": {stage.value: count for stage, count in ended.items()},
        "open": sum(state.stage in OPEN for state in states),
        "images": images,
        **{part: digest_of_names(names_in(folder / part)) for part in (SHEETS, PAGE_PARTS)},
        "seen": _seen(target, store, work),
        "catalog": target.catalog.digest,
        "rows": target.catalog.records.digest,
        "certificate": file_digest(target.campaign.c2pa),
        "unsigned": dict(unsigned),
        "missing": dict(missing),
        "references": {path: image.digest for path, image in target.files.by_path.items()},
        "models": dict(models),
        "exports": dict(exports),
    }
    write_sealed(folder / RECORD, record, option=orjson.OPT_INDENT_2)
    return images


def are_linked(campaign: Campaign) -> bool:
    """Return whether released images are links to the store."""
    return not campaign.metadata.xmp and campaign.c2pa is None


def images_digest(campaign: Campaign, folder: Path) -> str:
    """Return a digest of the names of the released images, and of their sizes and times if they are links.

    Who changes a file of the store then changes the release with it.
    """
    if not are_linked(campaign):
        return digest_of_images(names_in(folder / IMAGES))
    with suppress(FileNotFoundError), os.scandir(folder / IMAGES) as entries:
        return digest_of_names(f"{entry.name} {(now := entry.stat()).st_size} {now.st_mtime_ns}" for entry in entries)
    return digest_of_names(())


def has_exports(record: Mapping[str, Any], folder: Path) -> bool:
    """Return whether all files of the exports are there."""
    start = f"{folder / EXPORTS}/"  # no Path for each of many files
    return all(os.path.exists(start + name) for names in record.get("exports", {}).values() for name in names)  # noqa: PTH110


def names_in(folder: Path) -> Iterator[str]:
    """Yield the names of the files in a folder; none if it does not exist."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            yield entry.name
