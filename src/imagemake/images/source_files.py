"""Images that a campaign names: what their bytes are, remembered, so that planning reads each file once."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import orjson

from imagemake.core.files import write_whole
from imagemake.core.problems import NotReadyError
from imagemake.core.text import forbidden_character
from imagemake.images.formats import FORMATS, end_of_image, format_of, in_words

MOST_BYTES = 100_000_000  # as `imagemake.images` reads at most
MOST_PATH_CHARACTERS = 1000
SHOWN_CHARACTERS = 200
# What changed less than this before it was read can change again without a new time: FAT counts in steps of 2 s.
RACY_NS = 2_000_000_000

_CACHE_VERSION = 1
_GIVE_A_PATH = f"Give the path of a {in_words(references=True)} file."
_ROTATED = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
_ORIENTATION_TAG = 0x0112  # EXIF 2.3, section 4.6.4


class BadSourceImageError(NotReadyError):
    """A path that leads to no image."""


class SourceImage(NamedTuple):
    """An image's file, by its content.

    Attributes:
        digest: SHA-256 of the bytes.
        size_bytes: Length.
        format: ``png``, ``jpeg`` or ``webp``, by what the bytes say.
        width_px: As it is looked at, after the turn that EXIF asks for.
        height_px: The same.
        has_alpha: Whether it can hold transparent pixels.
    """

    digest: str
    size_bytes: int
    format: str
    width_px: int
    height_px: int
    has_alpha: bool


@dataclass(frozen=True, slots=True)
class _Remembered:
    stamp: tuple[int, ...]
    image: SourceImage


class SourceImages:
    """Looks images up by their paths, each once.

    Args:
        project: The folder that paths start from, and that nothing leaves.
        cache: Where it is remembered what was read, such as ``work/images.json``; None remembers nothing.
        planned: What a plan found under its paths: files are then not looked at again.
    """

    def __init__(
        self, project: Path = Path(), *, cache: Path | None = None, planned: Mapping[str, Any] | None = None
    ) -> None:
        self._project = project
        self._cache = cache
        self._root: Path | None = None
        self._found: dict[str, SourceImage | BadSourceImageError] = {
            path: SourceImage(*fields) for path, fields in (planned or {}).items()
        }
        self._remembered: dict[str, _Remembered] | None = None
        self._is_new = False

    def get(self, path: str) -> SourceImage:
        """Return what a path leads to.

        Raises:
            BadSourceImageError: If it leads out of the project, or to no image.
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
        """Every image that was asked for so far."""
        return {path: found for path, found in self._found.items() if isinstance(found, SourceImage)}

    def hold(self, digests: Mapping[str, str]) -> bool:
        """Say whether these paths still lead to images of these digests."""
        try:
            return all(self.get(path).digest == digest for path, digest in digests.items())
        except BadSourceImageError:
            return False

    def read(self, path: str, digest: str) -> bytes | None:
        """Read an image that was asked for before; None where it has changed since."""
        try:
            data, _ = self._content(path)
        except BadSourceImageError:
            return None
        return data if hashlib.sha256(data).hexdigest() == digest else None

    def save(self) -> None:
        """Remember what was read, for the next one that looks."""
        if self._cache is None or not self._is_new or self._remembered is None:
            return
        entries = {path: [one.stamp, list(one.image)] for path, one in self._remembered.items()}
        write_whole(self._cache, orjson.dumps({"version": _CACHE_VERSION, "files": entries}))
        self._is_new = False

    def _look(self, path: str) -> SourceImage:
        if fault := fault_of_path(path):
            raise BadSourceImageError(*fault)
        if self._remembered is None:
            self._remembered = _read_cache(self._cache) if self._cache else {}
        try:
            stamp = _stamp(os.stat(self._project / path))  # noqa: PTH116  an object a file is what makes it slow
        except OSError as error:
            raise BadSourceImageError(*_unreadable(path, error)) from None
        known = self._remembered.get(path)
        if known is not None and known.stamp == stamp:
            return known.image
        return self._read(path)

    def _read(self, path: str) -> SourceImage:
        assert self._remembered is not None
        now_ns = time.time_ns()
        data, status = self._content(path)
        try:
            image = source_image_of(data)
        except ValueError as error:
            remedy = f"Give a whole {in_words(references=True)} file."
            raise BadSourceImageError(f"{path!r} is no image that can be used: {error}.", remedy) from error
        self._remembered.pop(path, None)
        self._is_new = True
        # A change within one step of the clock keeps the times: a file as young as that is read again, as git does.
        if status is not None and max(status.st_mtime_ns, status.st_ctime_ns) < now_ns - RACY_NS:
            self._remembered[path] = _Remembered(_stamp(status), image)
        return image

    def _content(self, path: str) -> tuple[bytes, os.stat_result | None]:
        """Return a file's bytes, and its status where it did not change while it was read."""
        try:
            with open(self._inside(path), "rb", opener=_open_without_waiting) as file:
                before = os.fstat(file.fileno())
                if not stat.S_ISREG(before.st_mode):
                    raise BadSourceImageError(
                        f"{path!r} is no file.", f"Give the path of a {in_words(references=True)} file."
                    )
                data = file.read(MOST_BYTES + 1)
                after = os.fstat(file.fileno())
        except OSError as error:
            raise BadSourceImageError(*_unreadable(path, error)) from None
        return data, after if _stamp(before) == _stamp(after) else None

    def _inside(self, path: str) -> Path:
        if self._root is None:
            self._root = self._project.resolve()
        target = (self._root / path).resolve(strict=True)
        if not target.is_relative_to(self._root):
            what = f"{path!r} is a link that leads out of the project."
            raise BadSourceImageError(what, "Copy the image into the project's folder.")
        return target


def fault_of_path(path: str) -> tuple[str, str] | None:
    """Say what is wrong with a path, and what to do about it; None where nothing is."""
    shown = repr(path if len(path) <= SHOWN_CHARACTERS else f"{path[:SHOWN_CHARACTERS]}...")
    broken = {
        "the path of an image is empty": not path,
        f"{shown} holds a control character, a line break or a tab": forbidden_character(path)
        or set(path) & {"\n", "\t"},
        f"{shown} is longer than {MOST_PATH_CHARACTERS:,} characters": len(path) > MOST_PATH_CHARACTERS,
        f"{shown} holds a backslash, and folders are parted by slashes": "\\" in path,
        f"{shown} does not start at the project's folder": path.startswith(("/", "~")) or path[1:2] == ":",
        f"{shown} leaves the project's folder": ".." in PurePosixPath(path).parts,
    }
    for what, holds in broken.items():
        if holds:
            return f"{what}.", "Write a path from the project's folder, such as config/references/mug.png."
    return None


def source_image_of(data: bytes) -> SourceImage:
    """Read what an image file says about itself, without decoding a pixel.

    Raises:
        ValueError: If it is no complete image file of a size that is read; the message is not a whole sentence.
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

    # A decoder raises what it likes on bytes that nobody vouches for; here all of it becomes one answer.
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(BytesIO(data), formats=(file_format.upper(),)) as image,
        ):
            width_px, height_px = image.size
            has_alpha = image.has_transparency_data
            if image.getexif().get(_ORIENTATION_TAG) in _ROTATED:
                width_px, height_px = height_px, width_px
    except Exception as error:
        raise ValueError(f"the header of the {file_format} file cannot be read") from error
    return width_px, height_px, has_alpha


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)  # a pipe would make the plan wait for a writer


def _unreadable(path: str, error: OSError) -> tuple[str, str]:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"there is no file {path!r}.", "Put the image there, or correct the path; upper and lower case differ."
    if isinstance(error, IsADirectoryError):
        return f"{path!r} is a folder.", _GIVE_A_PATH
    return f"{path!r} cannot be read: {error.strerror or error}.", "Correct its permissions, or give another file."


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    # The time of the last change of any kind, too: unlike the time of the content, nobody can set it back.
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _read_cache(path: Path) -> dict[str, _Remembered]:
    try:
        data = orjson.loads(path.read_bytes())
        if data["version"] != _CACHE_VERSION:
            return {}
        return {name: _Remembered(tuple(stamp), SourceImage(*image)) for name, (stamp, image) in data["files"].items()}
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):  # what is lost costs reading again
        return {}
