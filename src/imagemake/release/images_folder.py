"""Whether the folder of released images is as the last release left it, so that no file in it needs a look.

Its names have a digest that follows what is added and removed, since listing 100,000 of them takes 0.1 s of CPU.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from imagemake.core.file_stamp import can_hide_changes, stamp_of
from imagemake.core.sealed import read_sealed, write_sealed
from imagemake.store.layout import IMAGES, results_folder, work_of_release

_DIGEST_BYTES = 16


def digest_of_images(names: Iterable[str], before: str = "", gone: Iterable[str] = ()) -> str:
    """Return a digest of the names of released images, in any order.

    Args:
        names: The names; those that are new if there is a digest before.
        before: The digest before.
        gone: The names that were removed since.
    """
    total = (int(before, 16) if before else 0) + _sum(names) - _sum(gone)
    return f"{total % 2 ** (8 * _DIGEST_BYTES):0{2 * _DIGEST_BYTES}x}"


def _sum(names: Iterable[str]) -> int:
    encoded = (name.encode("utf-8", "surrogateescape") for name in names)
    return sum(int.from_bytes(blake2b(name, digest_size=_DIGEST_BYTES).digest(), "big") for name in encoded)


def note_images(work: Path, scope: str, chunks: str, digest: str) -> None:
    """Note at the end of a release when its folder of images changed last.

    Args:
        work: The folder of state.
        scope: Which release it is.
        chunks: Identifies its rows.
        digest: Of the images.
    """
    path, stamp, now_ns = _note(work, scope), stamp_of(results_folder(scope) / IMAGES), time.time_ns()
    if stamp is None or can_hide_changes(stamp.mtime_ns, now_ns):
        path.unlink(missing_ok=True)
    else:
        write_sealed(path, {"chunks": chunks, "changed_ns": stamp.mtime_ns, "digest": digest})


def noted_images(work: Path, scope: str, chunks: str) -> str | None:
    """Return the digest of the images of these rows; None if a file may have been added, removed, or replaced since."""
    stamp, noted = stamp_of(results_folder(scope) / IMAGES), read_sealed(_note(work, scope)) or {}
    is_same = stamp is not None and (noted.get("chunks"), noted.get("changed_ns")) == (chunks, stamp.mtime_ns)
    return noted.get("digest") if is_same else None


def _note(work: Path, scope: str) -> Path:
    return work_of_release(work, scope) / "images.json"
