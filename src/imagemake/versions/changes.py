"""Counts how images changed from one release to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from imagemake.core.fingerprint import fingerprint
from imagemake.release.manifest.reading import output_columns, rows_of
from imagemake.release.manifest.tables import files_in
from imagemake.versions.records import Changes

COLUMNS = ("name", "file", "digest", "finished_digest")
_COMPARED = ("digest", "finished_digest")
_HALF = 16  # bytes


def changes_between(before: Iterable[Path], manifest: Path) -> Changes:
    """Count the changes in a release.

    Args:
        before: Manifests of the preceding releases. If several have a name, an image is unchanged if any of them has
            the same files. A missing manifest, which was not fetched, counts as empty.
        manifest: Manifest of the release.
    """
    known: dict[str, list[bytes]] = {}
    for path in before:
        for name, files in _images_in(path) if path.is_file() else ():
            known.setdefault(name, []).append(files)
    counts, n_kept = dict.fromkeys(Changes.model_fields, 0), 0
    for name, files in _images_in(manifest):
        earlier = known.get(name, ())
        counts[_kind(files, earlier)] += 1
        n_kept += bool(earlier)
    counts["removed"] = len(known) - n_kept
    return Changes(**counts)


def _images_in(manifest: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each image's name and the digests of its files: 16 bytes for the files, and 16 for their pixels."""
    for row in rows_of(manifest, (*COLUMNS, *output_columns(manifest))):
        if row["file"]:
            files = files_in(row)
            parts = ({output: file[column] for output, file in files.items()} for column in _COMPARED)
            yield row["name"], b"".join(bytes.fromhex(fingerprint(part)[: 2 * _HALF]) for part in parts)


def _kind(files: bytes, before: Sequence[bytes]) -> str:
    if not before:
        return "new"
    if files in before:
        return "unchanged"
    return "metadata" if any(files[_HALF:] == other[_HALF:] for other in before) else "changed"
