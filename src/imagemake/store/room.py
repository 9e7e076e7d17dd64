"""Room on the disks of a run, checked before it begins and before each call: what is paid for must find a place."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from imagemake.core.host_errors import is_refusal, naming, words_of
from imagemake.core.problems import NotReadyError
from imagemake.core.recipe import Recipe
from imagemake.store.layout import LOGS, RESULTS, STORE, WORK

MARGIN_BYTES = 16 << 20  # for the journal, tables, logs, and other programs
MARGIN_FILES = 64
FILES_PER_CALL = 8  # the image, its folder and temporary file, a claim, a mark, further images
UNKNOWN_BYTES = 8 << 20  # of an image whose size is not known before the first one came
BYTES_PER_PIXEL = 4  # a PNG file of noise; most images need a third of that
_AGAIN = "Then run again."
LIKE_BEFORE = 2  # an image may need this many times the bytes of the largest one before


class Room:
    """Whether the images in flight would find room.

    Args:
        folders: Folders that a job writes to; the first one receives the images.
        in_flight: Calls in flight over all jobs.
    """

    def __init__(self, folders: Sequence[Path], in_flight: int) -> None:
        self._folders = folders
        self._in_flight = in_flight
        self._largest_bytes: dict[str, int] = {}  # by model
        self._has_tried = False

    def note(self, recipe: Recipe, n_bytes: int) -> None:
        """Learn the size of an image that came."""
        self._largest_bytes[recipe.model] = max(n_bytes, self._largest_bytes.get(recipe.model, 0))

    def check(self, recipe: Recipe, images: int | None = None) -> None:
        """Check for room before a call is sent.

        Args:
            recipe: Recipe of the call.
            images: How many images will come at once; by default, those of the calls in flight.

        Raises:
            NotReadyError: If a folder cannot be written to, or has too little room.
        """
        n_images = images or self._in_flight
        n_bytes = n_images * self._bytes_of(recipe)
        for number, folder in enumerate(self._folders):
            needed = MARGIN_BYTES + (0 if number else n_bytes), MARGIN_FILES + n_images * FILES_PER_CALL
            check_folder(folder, "the next calls need", *needed, or_else=", or lower limits.in_flight")
        if not self._has_tried:  # a quota shows only when it is reached
            _try_to_fill(self._folders[0], n_bytes)
            self._has_tried = True

    def _bytes_of(self, recipe: Recipe) -> int:
        if known := self._largest_bytes.get(recipe.model):
            return LIKE_BEFORE * known
        size = re.fullmatch(r"(\d{1,6})x(\d{1,6})", str(recipe.parameters.get("size")))
        return BYTES_PER_PIXEL * int(size[1]) * int(size[2]) if size else UNKNOWN_BYTES


def check_folder(
    folder: Path, who: str, n_bytes: int = MARGIN_BYTES, n_files: int = MARGIN_FILES, or_else: str = ""
) -> None:
    """Check that a folder can be written to and that its disk has room; the folder may not exist yet.

    Args:
        folder: The folder.
        who: What needs the room, with its verb, for people.
        n_bytes: Bytes that must be free.
        n_files: Files that must be free, if the file system counts them.
        or_else: What else helps if too few bytes are free, after a comma.

    Raises:
        NotReadyError: If it cannot be written to, or has too little room.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise _refused(NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)))
    place = next((one for one in (folder, *folder.absolute().parents) if one.exists()), folder)
    try:
        state = os.statvfs(place)
    except OSError as error:
        raise _refused(error) from None
    if not os.access(place, os.W_OK):
        number = errno.EROFS if state.f_flag & os.ST_RDONLY else errno.EACCES
        raise _refused(OSError(number, os.strerror(number), str(folder)))
    if not state.f_bavail or (state.f_files and not state.f_favail):
        raise _refused(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)))
    free_bytes = state.f_bavail * state.f_frsize
    if free_bytes < n_bytes:
        what = f"{folder}: {_mb(free_bytes)} are free on this disk, and {who} {_mb(n_bytes)}."
        raise NotReadyError(what, f"Free some space (df -h){or_else}. {_AGAIN}")
    if state.f_files and state.f_favail < n_files:
        what = f"{folder}: this disk has room for {state.f_favail:,} more files, and {who} {n_files:,}."
        raise NotReadyError(what, f"Delete files that you don't need (df -i). {_AGAIN}")


def check_folders_of_run() -> None:
    """Check the folders of a project that a run writes to.

    Raises:
        NotReadyError: If one cannot be written to, or has too little room.
    """
    for folder in (STORE, WORK, RESULTS, LOGS):
        check_folder(folder, "a run needs")


def _try_to_fill(folder: Path, n_bytes: int) -> None:
    """Reserve the bytes for a moment."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with naming(folder), tempfile.TemporaryFile(dir=folder) as file:
            try:
                os.posix_fallocate(file.fileno(), 0, n_bytes)
            except OSError as error:
                if is_refusal(error):  # other errors say that the file system cannot reserve
                    raise
    except OSError as error:
        raise _refused(error) from None


def _refused(error: OSError) -> NotReadyError:
    return NotReadyError(*(words_of(error) or (str(error), _AGAIN)))


def _mb(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB"
