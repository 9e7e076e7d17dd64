"""Which folders DVC has as they are, so that it need not look at each of their files again.

This holds for folders whose files are only added, removed, or replaced, which changes the time of a folder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from imagemake.core.file_stamp import can_hide_changes
from imagemake.core.hashing import file_sha256
from imagemake.core.sealed import read_sealed, write_sealed
from imagemake.store.layout import WORK, tracked_file

CACHE = Path(".dvc") / "cache" / "files" / "md5"  # where DVC puts its own list of a folder, unless it was moved


class TrackedFolders:
    """Remembers when folders were added.

    Args:
        root: The project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def changed(self, folders: Iterable[Path]) -> list[Path]:
        """Return the folders that may have changed since they were added, or that DVC's cache may lack."""
        known = self._known()
        return [one for one in folders if (state := self._state(one)) is None or known.get(str(one)) != state]

    def note(self, folders: Sequence[Path]) -> None:
        """Remember folders that were just added, if nobody else wrote into them meanwhile."""
        states = {str(one): state for one in folders if (state := self._state(one)) and self._is_whole(one)}
        now_ns = time.time_ns()
        recent = {name for name, one in states.items() if any(can_hide_changes(at, now_ns) for at in one[1].values())}
        known = {name: one for name, one in self._known().items() if name not in map(str, folders)}
        write_sealed(
            tracked_file(self._root / WORK),
            {"folders": {**known, **{name: one for name, one in states.items() if name not in recent}}},
        )

    def _known(self) -> dict[str, Any]:
        return dict((read_sealed(tracked_file(self._root / WORK)) or {}).get("folders", {}))

    def _state(self, folder: Path) -> list[Any] | None:
        """Return what changes with a folder: its ``.dvc`` file, and the times of all folders in it."""
        file = self._root / dvc_file(folder)
        if not file.is_file() or not self._is_in_cache(file):
            return None
        top = self._root / folder
        times = {os.path.relpath(path, top): os.stat(path).st_mtime_ns for path, _, _ in os.walk(top)}  # noqa: PTH116
        return [file_sha256(file), times]

    def _is_in_cache(self, file: Path) -> bool:
        digest = str(_out_of(file).get("md5", ""))
        return bool(digest) and (self._root / CACHE / digest[:2] / digest[2:]).is_file()

    def _is_whole(self, folder: Path) -> bool:
        n_files = sum(len(names) for _, _, names in os.walk(self._root / folder))
        return bool(_out_of(self._root / dvc_file(folder)).get("nfiles") == n_files)


def dvc_file(path: Path) -> Path:
    """Return the ``.dvc`` file of a file or folder."""
    return path.with_name(f"{path.name}.dvc")


def _out_of(file: Path) -> Mapping[str, Any]:
    try:
        (out,) = yaml.safe_load(file.read_bytes())["outs"]
    except (OSError, yaml.YAMLError, TypeError, KeyError, ValueError):
        return {}
    return out if isinstance(out, dict) else {}
