"""The files of a release's exports with their digests, in a list that ``sha256sum --check`` reads too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imagemake.core.hashing import file_sha256
from imagemake.release.manifest.reading import released_files
from imagemake.release.record import exported_before
from imagemake.store.layout import EXPORTS


def list_of_exports(results: Path, manifest: Path) -> bytes:
    """Return the list: a line per file, with its SHA-256 and its path in the release. Empty without exports.

    Args:
        results: Folder of the release.
        manifest: Its manifest, which has the digests of images that exports share with it.
    """
    names = sorted(f"{EXPORTS}/{name}" for name in exported_before(results))
    known = {_identity(results / file): digest for file, digest in released_files(manifest)} if names else {}
    digests = (known.get(_identity(results / name)) or file_sha256(results / name) for name in names)
    return "".join(f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True)).encode()


def files_in_list(text: str) -> Iterator[tuple[str, str]]:
    """Yield path and SHA-256 of each file in a list."""
    for line in text.splitlines():
        digest, _, name = line.partition("  ")
        yield name, digest


def _identity(path: Path) -> tuple[int, int]:
    """Return what hard links to one file have in common."""
    found = path.stat()
    return found.st_dev, found.st_ino
