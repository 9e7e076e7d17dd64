"""What is made of chunks, kept by what it was made of: a damaged, missing, or old piece is made again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias
from zlib import crc32

import orjson

from imagemake import __version__
from imagemake.core.files import set_folder_aside, write_whole
from imagemake.core.fingerprint import fingerprint
from imagemake.release.manifest.row import MANIFEST_VERSION

PIECES_VERSION = 1  # raised when the same chunk and settings can give another piece
_DIGEST_BYTES = 4
Content: TypeAlias = bytes | memoryview


class Pieces:
    """Keeps pieces.

    Args:
        folder: Where to keep them; None keeps none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._wanted: set[Path] = set()

    def get(self, kind: str, made_of: Any, make: Callable[[], bytes]) -> Content:
        """Return a piece, made only if it is not kept.

        Args:
            kind: What it is, which names its folder.
            made_of: All that decides it beside its kind and our version, as plain data.
            make: Makes it.
        """
        path = self._path(kind, made_of)
        if path is None:
            return make()
        self._wanted.add(path)
        try:
            content = path.read_bytes()
        except OSError:
            content = b""
        data = memoryview(content)[_DIGEST_BYTES:]  # a copy of a hundred megabytes would take a tenth of a second
        if _digest(path, data) == content[:_DIGEST_BYTES]:
            return data
        made = make()
        self._write(path, made)
        return made

    def table(self, kind: str, made_of: Any, make: Callable[[], Any]) -> Any:
        """Return a piece of plain data, made only if it is not kept."""
        return orjson.loads(self.get(kind, made_of, lambda: orjson.dumps(make())))

    def keep(self, kind: str, made_of: Any) -> None:
        """Let a piece stay that is not needed now."""
        if (path := self._path(kind, made_of)) is not None:
            self._wanted.add(path)

    def put(self, kind: str, made_of: Any, data: Any) -> None:
        """Keep a piece of plain data in place of an earlier one."""
        path = self._path(kind, made_of)
        if path is not None:
            self._wanted.add(path)
            self._write(path, orjson.dumps(data))

    def sweep(self) -> None:
        """Delete the pieces that nobody asked for."""
        if self._folder is not None and self._folder.is_dir():
            for path in self._folder.glob("*/*.bin"):
                if path not in self._wanted:
                    path.unlink(missing_ok=True)

    def _path(self, kind: str, made_of: Any) -> Path | None:
        if self._folder is None:
            return None
        digest = fingerprint([PIECES_VERSION, MANIFEST_VERSION, __version__, kind, made_of])
        return self._folder / kind / f"{digest}.bin"

    def _write(self, path: Path, data: bytes) -> None:
        set_folder_aside(path)
        write_whole(path, _digest(path, data) + data)


def _digest(path: Path, data: Content) -> bytes:
    return crc32(data, crc32(path.name.encode())).to_bytes(_DIGEST_BYTES, "big")
