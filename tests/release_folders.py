"""Releases in folders, written without a build: entries with their images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

from entries import an_entry
from PIL import Image

from imagemake.release.manifest.row import ManifestRow
from imagemake.release.manifest.tables import write_manifest
from imagemake.versions.diff.snapshot import ImageSource, Opener
from imagemake.versions.diff.table import read_table


def an_image(color: Any = "red", size: tuple[int, int] = (64, 48), form: str = "PNG", mode: str = "RGB") -> bytes:
    file = BytesIO()
    Image.new(mode, size, color).save(file, form)
    return file.getvalue()


def with_image(name: str, data: bytes, **changes: Any) -> tuple[ManifestRow, bytes]:
    digest = hashlib.sha256(data).hexdigest()
    raw = changes.pop("raw_digest", hashlib.sha256(b"raw" + data).hexdigest())
    changes = {"digest": digest, "finished_digest": digest, "raw_digest": raw, "file": f"images/{name}.png", **changes}
    return an_entry(name, **changes), data


def write_release(folder: Path, shown: Iterable[tuple[ManifestRow, bytes]]) -> Path:
    """Write a manifest and its images into a release's folder."""
    shown = list(shown)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for entry, data in shown:
        if entry.file is not None and entry.file.startswith("images/"):
            (folder / entry.file).write_bytes(data)
    write_manifest([entry for entry, _ in shown], folder / "manifest.csv", folder / "manifest.parquet")
    return folder


def table_of(entries: Iterable[ManifestRow], folder: Path, form: str = "parquet") -> Any:
    entries = list(entries)
    labels = sorted({label for entry in entries for label in entry.outputs})
    write_manifest(entries, folder / "manifest.csv", folder / "manifest.parquet", outputs=labels)
    return read_table((folder / f"manifest.{form}").read_bytes(), "the manifest")


def opener(project: Path, scope: str = "all", names: Iterable[str] = ()) -> Opener:
    return Opener(ImageSource(project, scope, project / "store"), list(names))
