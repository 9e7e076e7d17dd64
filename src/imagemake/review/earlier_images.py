"""Images of earlier releases that look nearly the same as one, and their files where they lie beside their manifests.

A manifest may come from anybody. A file that it names is shown only if it is in the folder `images` beside it, and not
through a link that leads elsewhere, has the digest that the manifest says, and begins like an image.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from stat import S_ISREG

from starlette.responses import PlainTextResponse, Response

from imagemake.images.file_format import format_of
from imagemake.plan.state import Policy, State
from imagemake.review.images import HEADERS
from imagemake.review.similar import phash_of
from imagemake.stages.validate.earlier_releases import ComparedImage, EarlierImages

FOLDER = "images"
MOST_BYTES = 20_000_000  # of a file that is shown: several are held in memory
_DIGITS = re.compile(r"[0-9a-f]{64}")


class UnavailableError(Exception):
    """There is no file to show; the message says why, in words for people."""


@dataclass(frozen=True, slots=True)
class Before:
    """An image of an earlier release.

    Attributes:
        name: Its request's.
        release: Its manifest.
        url: Where its file is served; empty where there is none to show.
        why_not: Why not, then.
    """

    name: str
    release: str
    url: str
    why_not: str


def similar_earlier_images(state: State, policy: Policy, most: int) -> list[Before]:
    """Find images of earlier releases that are nearly the same as a request's, nearest first.

    Args:
        state: Where the request stands.
        policy: Its limits, and the earlier images.
        most: How many at most.
    """
    earlier = policy.earlier
    if earlier is None:
        return []
    return [_before(earlier, place) for place in _places(state, policy, earlier)[:most]]


def file_response(earlier: EarlierImages | None, place: str, digest: str) -> Response:
    """Answer with an earlier image's file, as it was released.

    Args:
        earlier: Those that are known now.
        place: Of the image, in decimal digits.
        digest: SHA-256 of the file.
    """
    try:
        if earlier is None or not place.isdecimal() or len(place) > 9 or int(place) >= len(earlier.images):
            raise UnavailableError
        image = earlier.images[int(place)]
        if image.digest != digest:  # the manifests were read again since
            raise UnavailableError
        data, kind = _read(image, earlier.releases[int(place)])
    except UnavailableError:
        return PlainTextResponse("There is no such image.", 404)
    return Response(data, media_type=f"image/{kind}", headers=HEADERS)


def _places(state: State, policy: Policy, earlier: EarlierImages) -> list[int]:
    found, limits = phash_of(state), policy.duplicates
    if found is None or limits is None or state.key in earlier.keys or not earlier.images:
        return []
    import numpy as np

    prints = earlier.prints
    bits = np.bitwise_count(prints.hashes ^ np.uint64(int(found[0], 16)))
    near = np.flatnonzero(bits <= limits.max_distance_bits)
    colors = np.frombuffer(bytes.fromhex(found[1]), dtype=np.uint8).astype(np.int16)
    near = near[np.abs(prints.colors[near] - colors).max(axis=1, initial=0) <= limits.max_color_levels]
    model = state.request.model or state.recipe.model
    return [
        int(place)
        for place in near[np.argsort(bits[near], kind="stable")]
        if earlier.images[place].name != state.request.name
        and (not policy.compares_models or earlier.images[place].model == model)
    ]


def _before(earlier: EarlierImages, place: int) -> Before:
    image, release = earlier.images[place], earlier.releases[place]
    try:
        _read(image, release)
    except UnavailableError as error:
        return Before(image.name, release, "", str(error))
    return Before(image.name, release, f"/earlier/{place}/{image.digest}", "")


def _read(image: ComparedImage, release: str) -> tuple[bytes, str]:
    """Read an earlier image's file.

    Args:
        image: As its manifest says.
        release: The manifest.

    Returns:
        The file, and its format.

    Raises:
        UnavailableError: If there is none that can be shown.
    """
    if not image.file or not _DIGITS.fullmatch(image.digest):
        raise UnavailableError("its manifest names no file")
    parts = PurePosixPath(image.file).parts
    if len(parts) != 2 or parts[0] != FOLDER or parts[1] in (".", "..") or "\0" in image.file or "\\" in image.file:
        raise UnavailableError(f"its manifest names a file that is not in the folder {FOLDER} beside it")
    try:
        folder = (Path(release).parent / FOLDER).resolve()
        path = (folder / parts[1]).resolve()
        stat = path.stat()
    except OSError:
        raise UnavailableError("its file is not beside its manifest") from None
    if path.parent != folder or folder.parent != Path(release).parent.resolve():
        raise UnavailableError("its file is a link that leads out of its release")
    if not S_ISREG(stat.st_mode) or stat.st_size > MOST_BYTES:
        raise UnavailableError("its file is no image")
    return _checked(path, image.digest, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _checked(path: Path, digest: str, mtime_ns: int, size_bytes: int) -> tuple[bytes, str]:
    """Read a file and check it; what the file system says of it tells whether it is still the same."""
    try:
        data = path.read_bytes()
    except OSError:
        raise UnavailableError("its file cannot be read") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise UnavailableError("its file was changed since it was released")
    try:
        return data, format_of(data)
    except ValueError:
        raise UnavailableError("its file is no image") from None
