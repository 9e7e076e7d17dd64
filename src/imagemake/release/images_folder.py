"""Whether the folder of released images is as the last release left it, so that no file in it needs a look."""

from __future__ import annotations

import time
from pathlib import Path

from imagemake.core.file_stamp import can_hide_changes, stamp_of
from imagemake.core.sealed import read_sealed, write_sealed
from imagemake.store.layout import IMAGES, results_folder, work_of_release


def note_images(work: Path, scope: str, chunks: str) -> None:
    """Note at the end of a release when its folder of images changed last.

    Args:
        work: The folder of state.
        scope: Which release it is.
        chunks: Identifies its rows.
    """
    path, stamp, now_ns = _note(work, scope), stamp_of(results_folder(scope) / IMAGES), time.time_ns()
    if stamp is None or can_hide_changes(stamp.mtime_ns, now_ns):
        path.unlink(missing_ok=True)
    else:
        write_sealed(path, {"chunks": chunks, "changed_ns": stamp.mtime_ns})


def has_same_images(work: Path, scope: str, chunks: str) -> bool:
    """Return whether no file was added, removed, or replaced since the release of these rows."""
    stamp = stamp_of(results_folder(scope) / IMAGES)
    return stamp is not None and read_sealed(_note(work, scope)) == {"chunks": chunks, "changed_ns": stamp.mtime_ns}


def _note(work: Path, scope: str) -> Path:
    return work_of_release(work, scope) / "images.json"
