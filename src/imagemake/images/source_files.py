"""Source images of a campaign, by content. A cache lets planning read each file only once."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from imagemake.core.file_stamp import FileStamp, StampCache, stamp_of
from imagemake.core.problems import NotReadyError
from imagemake.core.text import forbidden_character
from imagemake.images.exif import orientation_of, swaps_sides
from imagemake.images.formats import FORMATS, end_of_image, format_of, in_words
from imagemake.images.jpeg import without_broken_segments
from imagemake.images.png import png_of

MOST_BYTES = 100_000_000  # as in `imagemake.images.decoded`
MOST_PATH_CHARACTERS = 1000
SHOWN_CHARACTERS = 200

_CACHE_VERSION = 2  # raised when the same bytes can give another result
_GIVE_A_PATH = f"Give the path of a {in_words(references=True)} file."


class BadSourceImageError(NotReadyError):
    """A path that does not lead to a usable image."""


class SourceImage(NamedTuple):
    """The content of a source image's file.

    Attributes:
        digest: SHA-256 of the bytes.
        size_bytes: Length of the file.
        format: ``png``, ``jpeg``, or ``webp``, by the bytes.
        width_px: Width after EXIF rotation.
        height_px: Height after EXIF rotation.
        has_alpha: Whether the file can hold transparent pixels.
    """

    digest: str
    size_bytes: int
    format: str
    width_px: int
    height_px: int
    has_alpha: bool


class SourceImages:
    """Looks up images by path, each once.

    Args:
        project: The folder that paths are relative to; links must not leave it.
        cache: File for the cache, such as ``work/images.json``; None keeps no cache.
        planned: Results of a plan by path, whose files are not read again.
    """

    def __init__(
        self, project: Path = Path(), *, cache: Path | None = None, planned: Mapping[str, Any] | None = None
    ) -> None:
        self._project = project
        self._cache = StampCache(cache, _CACHE_VERSION, lambda fields: SourceImage(*fields), list)
        self._root: Path | None = None
        self._found: dict[str, SourceImage | BadSourceImageError] = {
            path: SourceImage(*fields) for path, fields in (planned or {}).items()
        }

    def get(self, path: str) -> SourceImage:
        """Return the image at a path.

        Raises:
            BadSourceImageError: If the path leaves the project, or is not a usable image.
        """
        found = self._found.get(path)
        if found is None:
            try:
                found = self._look(path)
            except BadSourceImageError as error:
                found = error
            self._found[path] = found
        if isinstance(found, BadSourceImageError):
            raise BadSourceImageError(found.what, found.remedy)
        return found

    @property
    def by_path(self) -> dict[str, SourceImage]:
        """All images looked up so far."""
        return {path: found for path, found in self._found.items() if isinstance(found, SourceImage)}

    def hold(self, digests: Mapping[str, str]) -> bool:
        """Return whether these paths still lead to images with these digests."""
        try:
            return all(self.get(path).digest == digest for path, digest in digests.items())
        except BadSourceImageError:
            return False

    def read(self, path: str, digest: str) -> bytes | None:
        """Read an image that was looked up before; None if it has changed since."""
        try:
            data, _ = self._content(path)
        except BadSourceImageError:
            return None
        return data if hashlib.sha256(data).hexdigest() == digest else None

    def save(self) -> None:
        """Save the cache for the next process."""
        self._cache.save()

    def _look(self, path: str) -> SourceImage:
        if fault := fault_of_path(path):
            raise BadSourceImageError(*fault)
        try:
            stamp = stamp_of(f"{self._project}/{path}")
        except OSError as error:
            raise BadSourceImageError(*_unreadable(path, error)) from None
        known = self._cache.get(path, stamp) if stamp else None
        return known or self._read(path)

    def _read(self, path: str) -> SourceImage:
        now_ns = time.time_ns()
        data, stamp = self._content(path)
        try:
            image = source_image_of(data)
        except ValueError as error:
            remedy = f"Give a complete {in_words(references=True)} file."
            raise BadSourceImageError(f"{path!r} is not a usable image: {error}.", remedy) from error
        self._cache.put(path, stamp, image, now_ns)
        return image

    def _content(self, path: str) -> tuple[bytes, FileStamp | None]:
        """Return the bytes of a file, and its stamp if it did not change during the read."""
        try:
            with open(self._inside(path), "rb", opener=_open_without_waiting) as file:
                before = os.fstat(file.fileno())
                if not stat.S_ISREG(before.st_mode):
                    raise BadSourceImageError(
                        f"{path!r} is not a file.", f"Give the path of a {in_words(references=True)} file."
                    )
                data = file.read(MOST_BYTES + 1)
                after = os.fstat(file.fileno())
        except OSError as error:
            raise BadSourceImageError(*_unreadable(path, error)) from None
        stamp = FileStamp.of(after)
        return data, stamp if stamp == FileStamp.of(before) else None

    def _inside(self, path: str) -> Path:
        if self._root is None:
            self._root = self._project.resolve()
        target = (self._root / path).resolve(strict=True)
        if not target.is_relative_to(self._root):
            what = f"{path!r} is a link that leads out of the project."
            raise BadSourceImageError(what, "Copy the image into the project's folder.")
        return target


def fault_of_path(path: str) -> tuple[str, str] | None:
    """Return what is wrong with a path, and the remedy; None if nothing is wrong."""
    shown = repr(path if len(path) <= SHOWN_CHARACTERS else f"{path[:SHOWN_CHARACTERS]}...")
    broken = {
        "the path of an image is empty": not path,
        f"{shown} contains a control character, a line break, or a tab": forbidden_character(path)
        or set(path) & {"\n", "\t"},
        f"{shown} is longer than {MOST_PATH_CHARACTERS:,} characters": len(path) > MOST_PATH_CHARACTERS,
        f"{shown} contains a backslash, but slashes separate folders": "\\" in path,
        f"{shown} is not relative to the project's folder": path.startswith(("/", "~")) or path[1:2] == ":",
        f"{shown} leaves the project's folder": ".." in PurePosixPath(path).parts,
    }
    for what, holds in broken.items():
        if holds:
            return f"{what}.", "Give a path relative to the project's folder, such as config/references/mug.png."
    return None


def source_image_of(data: bytes) -> SourceImage:
    """Read the header of an image file, without decoding a pixel.

    Raises:
        ValueError: If it is not a complete image file of an allowed size; the message is not a whole sentence.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"the file has more than {MOST_BYTES // 1_000_000} MB")
    file_format = format_of(data)
    if not FORMATS[file_format].is_reference:
        label = FORMATS[file_format].label
        raise ValueError(f"it is an {label} file, and providers accept only {in_words('and', references=True)}")
    if end_of_image(data, file_format) is None:
        raise ValueError("the file is cut off before the end of the image")
    width_px, height_px, has_alpha = _header(data, file_format)
    return SourceImage(hashlib.sha256(data).hexdigest(), len(data), file_format, width_px, height_px, has_alpha)


def _header(data: bytes, file_format: str) -> tuple[int, int, bool]:
    import warnings
    from io import BytesIO

    from PIL import Image

    # Decoders raise any exception on untrusted bytes; this turns all of them into one error.
    try:
        png = png_of(data) if file_format == "png" else None
        source = png.data if png else without_broken_segments(data, []) if file_format == "jpeg" else data
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(BytesIO(source), formats=(file_format.upper(),)) as image,
        ):
            width_px, height_px = image.size
            has_alpha = image.has_transparency_data
            exif = png.exif if png else image.info.get("exif")
    except Exception as error:
        raise ValueError(f"the header of the {file_format} file cannot be read") from error
    with warnings.catch_warnings(action="ignore"), suppress(Exception):  # an image needs no EXIF data
        if swaps_sides(orientation_of(exif)):
            width_px, height_px = height_px, width_px
    return width_px, height_px, has_alpha


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(
        path, flags | os.O_NONBLOCK | os.O_NOFOLLOW
    )  # otherwise a pipe would make the plan wait for a writer


def _unreadable(path: str, error: OSError) -> tuple[str, str]:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"there is no file {path!r}.", "Add the image, or correct the path; paths are case-sensitive."
    if isinstance(error, IsADirectoryError):
        return f"{path!r} is a folder.", _GIVE_A_PATH
    return f"{path!r} cannot be read: {error.strerror or error}.", "Correct its permissions, or give another file."
