"""The objects of a publish: each file of a release's folder with its published name, headers, and position."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.config.remotes import LONG_LIVED, SHORT_LIVED
from imagemake.core.hashing import each_sha256
from imagemake.core.problems import Problem, UserError
from imagemake.images.formats import FORMATS
from imagemake.release.manifest.reading import PARQUET
from imagemake.release.published_name import digest_name
from imagemake.store.layout import EXPORTS
from imagemake.versions.publish.names import PublishedNames

if TYPE_CHECKING:
    from imagemake.config.remotes import Publish

MANIFESTS = ("manifest.csv", PARQUET)
NESTED = ("pilot", "small")  # separate releases in subfolders of the full release

_BINARY = "application/octet-stream"
# Not `mimetypes`, because its results differ between machines.
CONTENT_TYPES: Mapping[str, str] = {
    **{one.suffix: one.media_type for one in FORMATS.values()},
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".tar": "application/x-tar",
    ".txt": "text/plain; charset=utf-8",
    ".xmp": "application/rdf+xml",
}


class SendOrder(IntEnum):
    """The order of sending: objects come before those that refer to them, and the manifest comes last."""

    NEW_IMAGE = 0  # nothing refers to it yet
    REPLACED_IMAGE = 1
    TABLE = 2
    PAGE = 3  # the contact sheet, whose parts are tables
    MANIFEST = 4


@dataclass(frozen=True, slots=True)
class Object:
    """One file to publish.

    Attributes:
        name: Name relative to the remote's address.
        digest: SHA-256 of the content.
        size_bytes: Size of the content.
        content_type: Its media type.
        is_image: Whether it is an image, which is sent before the files that refer to it.
        folder: Folder of the release.
        file: File in it with the content.
        names: Names that replace others in the content; None if the content is that of the file. It is worked out
            again when it is sent, because all tables of a large release do not fit into memory.
    """

    name: str
    digest: str
    size_bytes: int
    content_type: str
    is_image: bool
    folder: Path
    file: str
    names: PublishedNames | None = None

    def parts(self) -> Iterator[bytes]:
        """Yield the content in parts.

        Raises:
            UserError: After the last part, if the file has changed since this publish started.
        """
        content, path = hashlib.sha256(), self.folder / self.file
        with suppress(FileNotFoundError), path.open("rb") as file:
            for some in (file.read(),) if self.names is None else self.names.table(self.file, file):
                content.update(some)
                yield some
        if content.hexdigest() != self.digest:
            what = "the file changed during the publish"
            raise UserError(Problem(str(path), what, "Wait until no run is active here, and publish again."))

    def cache_control(self, settings: Publish) -> str:
        """Return its Cache-Control header."""
        if not self.is_image:
            return settings.cache_control.tables
        return settings.cache_control.images or (LONG_LIVED if settings.names == "digest" else SHORT_LIVED)


def objects_of(
    folder: Path,
    settings: Publish,
    released: Iterable[tuple[str, str]],
    tell: Callable[[str], None] = lambda words: None,
) -> list[Object]:
    """Return the objects to publish from a release's folder.

    Args:
        folder: The folder, such as ``results/``.
        settings: How to name files, and which ones to leave out.
        released: File and SHA-256 of each image, from the manifest.
        tell: Called regularly with what is done.

    Returns:
        All objects, sorted by name.

    Raises:
        UserError: If an image is missing or differs from the manifest.
    """
    names = [name for name in _names_in(folder) if not any(fnmatchcase(name, one) for one in settings.leave_out)]
    images = [name for name in names if _is_image(name)]
    read: dict[str, str] = {}
    for name, digest in zip(images, each_sha256(folder / name for name in images), strict=True):
        read[name] = digest
        tell(f"{len(read):,} of {len(images):,} images compared with the manifest")
    _check(folder, read, released, settings)
    is_named = settings.names == "digest"
    published = PublishedNames({name: digest_name(name, read[name]) for name in images} if is_named else {})
    found = [_object(folder, name, digest, published.of(name)) for name, digest in read.items()]
    of_exports = [name for name in names if _is_exported(name)]
    for name, digest in zip(of_exports, each_sha256(folder / name for name in of_exports), strict=True):
        found.append(_object(folder, name, digest, name))
    tables = (name for name in names if name not in read and not _is_exported(name))
    found += [_table(folder, name, published) for name in tables]
    return sorted(found, key=lambda one: one.name)


def content_type_of(name: str) -> str:
    """Return the media type of a file, based on its extension."""
    return CONTENT_TYPES.get(Path(name).suffix.lower(), _BINARY)


def _is_image(name: str) -> bool:
    return "/" in name and not _is_exported(name) and content_type_of(name).startswith("image/")


def _is_exported(name: str) -> bool:
    """Return whether a file is part of an export, in which files refer to each other by their names: these stay."""
    return name.startswith(f"{EXPORTS}/")


def _names_in(folder: Path, below: str = "") -> Iterator[str]:
    with os.scandir(folder / below) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = f"{below}{entry.name}"
            if entry.name.startswith("."):  # temporary and system files
                continue
            if entry.is_dir() and name not in NESTED:
                yield from _names_in(folder, f"{name}/")
            elif entry.is_file():
                yield name


def _object(folder: Path, name: str, digest: str, published: str) -> Object:
    size = os.stat(f"{folder}/{name}").st_size  # noqa: PTH116  no Path for each of many files
    return Object(published, digest, size, content_type_of(name), _is_image(name), folder, name)


def _table(folder: Path, name: str, published: PublishedNames) -> Object:
    content, size = hashlib.sha256(), 0
    with (folder / name).open("rb") as file:
        for some in published.table(name, file):
            content.update(some)
            size += len(some)
    return Object(name, content.hexdigest(), size, content_type_of(name), False, folder, name, published)


def _check(folder: Path, read: Mapping[str, str], released: Iterable[tuple[str, str]], settings: Publish) -> None:
    problems = list(_faults(folder, read, released, settings))
    if problems:
        raise UserError(problems)


def _faults(
    folder: Path, read: Mapping[str, str], released: Iterable[tuple[str, str]], settings: Publish
) -> Iterator[Problem]:
    remedy = "Run `snakemake` again, and publish when it has finished."
    for name, digest in released:
        if any(fnmatchcase(name, one) for one in settings.leave_out):
            continue
        if name not in read:
            yield Problem(str(folder / name), "the manifest lists this file, but it is missing", remedy)
        elif digest and read[name] != digest:
            yield Problem(str(folder / name), "the image differs from the manifest", remedy)
