"""Finds near-duplicates in earlier releases, and serves their files from beside their manifests.

A manifest may come from anybody. A file that it names is served only if it lies in the folder `images` beside the
manifest, is not a link out of it, has the digest that the manifest records, and starts like an image.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from stat import S_ISREG

from starlette.responses import PlainTextResponse, Response

from imagemake.core.errors import ImagemakeError
from imagemake.core.file_stamp import FileStamp
from imagemake.images.formats import FORMATS, FormatName, format_of
from imagemake.plan.across import phash_of
from imagemake.plan.state import Policy, State
from imagemake.review.images import HEADERS
from imagemake.stages.validate.earlier_releases import ComparedImage, EarlierImages
from imagemake.stages.validate.prints import Alike, Prints
from imagemake.store.layout import IMAGES

MAX_BYTES = 20_000_000  # of a served file, because several are held in memory
_DIGITS = re.compile(r"[0-9a-f]{64}")


class UnavailableError(ImagemakeError):
    """An earlier image cannot be shown; the message says why."""


@dataclass(frozen=True, slots=True)
class EarlierImage:
    """An image of an earlier release.

    Attributes:
        name: Name of its request.
        release: Path of its manifest.
        url: Where its file is served; empty if the file is unavailable.
        unavailable: Why the file is unavailable; empty if it is served.
    """

    name: str
    release: str
    url: str
    unavailable: str


def similar_earlier_images(state: State, policy: Policy, limit: int) -> list[EarlierImage]:
    """Find near-duplicates of a request's image in earlier releases, nearest first.

    Args:
        state: State of the request.
        policy: Near-duplicate limits and the earlier images.
        limit: Largest number of images to return.
    """
    earlier = policy.earlier
    if earlier is None:
        return []
    return [_earlier_image(earlier, index) for index in _near(state, policy, earlier)[:limit]]


def file_response(earlier: EarlierImages | None, index: str, digest: str) -> Response:
    """Serve an earlier image's released file.

    Args:
        earlier: The earlier images.
        index: Index of the image, in decimal digits.
        digest: SHA-256 of the file.
    """
    not_found = PlainTextResponse("Image not found.", 404)
    if earlier is None or not index.isdecimal() or len(index) > 9 or int(index) >= len(earlier.images):
        return not_found
    image = earlier.images[int(index)]
    if image.digest != digest:  # the manifests were read again since
        return not_found
    try:
        data, kind = _read(image, earlier.releases[int(index)])
    except UnavailableError:
        return not_found
    return Response(data, media_type=FORMATS[kind].media_type, headers=HEADERS)


def _near(state: State, policy: Policy, earlier: EarlierImages) -> list[int]:
    found, limits = phash_of(state), policy.duplicates
    if found is None or limits is None or state.key in earlier.keys or not earlier.images:
        return []
    near = Alike.by(limits).nearest_to(Prints.from_digits([found]), earlier.prints)
    model = state.request.model or state.recipe.model
    return [
        int(index)
        for index in near
        if earlier.images[index].name != state.request.name
        and (not policy.compares_models or earlier.images[index].model == model)
    ]


def _earlier_image(earlier: EarlierImages, index: int) -> EarlierImage:
    image, release = earlier.images[index], earlier.releases[index]
    try:
        _read(image, release)
    except UnavailableError as error:
        return EarlierImage(image.name, release, "", str(error))
    return EarlierImage(image.name, release, f"/earlier/{index}/{image.digest}", "")


def _read(image: ComparedImage, release: str) -> tuple[bytes, FormatName]:
    """Read an earlier image's file.

    Args:
        image: The image, as its manifest describes it.
        release: Path of the manifest.

    Returns:
        The file and its format.

    Raises:
        UnavailableError: If the file cannot be shown.
    """
    if not image.file or not _DIGITS.fullmatch(image.digest):
        raise UnavailableError("its manifest names no file")
    parts = PurePosixPath(image.file).parts
    if len(parts) != 2 or parts[0] != IMAGES or parts[1] in (".", "..") or "\0" in image.file or "\\" in image.file:
        raise UnavailableError(f"its manifest names a file that is not in the folder {IMAGES} beside it")
    try:
        folder = (Path(release).parent / IMAGES).resolve()
        path = (folder / parts[1]).resolve()
        stat = path.stat()
    except OSError:
        raise UnavailableError("its file is missing") from None
    if path.parent != folder or folder.parent != Path(release).parent.resolve():
        raise UnavailableError("its file is a link that leads out of the release")
    if not S_ISREG(stat.st_mode) or stat.st_size > MAX_BYTES:
        raise UnavailableError("its file is not an image")
    return _read_checked(path, image.digest, FileStamp.of(stat))


@lru_cache(maxsize=8)
def _read_checked(path: Path, digest: str, stamp: FileStamp) -> tuple[bytes, FormatName]:
    """Read a file and check it. The stamp is part of the cache key, so a change is noticed."""
    try:
        data = path.read_bytes()
    except OSError:
        raise UnavailableError("its file cannot be read") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise UnavailableError("its file changed after the release")
    try:
        return data, format_of(data)
    except ValueError:
        raise UnavailableError("its file is not an image") from None
