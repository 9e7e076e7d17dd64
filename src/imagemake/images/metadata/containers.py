"""How each image format stores metadata: the functions of one module per format, by the format's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from imagemake.images.formats import FormatName, format_of
from imagemake.images.metadata import avif, jpeg, png, webp


class Container(NamedTuple):
    """The metadata functions of one format. Each takes a whole file and raises ValueError if it is damaged."""

    with_xmp: Callable[[bytes, bytes], bytes]
    xmp_of: Callable[[bytes], bytes | None]
    without_xmp: Callable[[bytes], bytes]
    credential_marks: Callable[[bytes], Iterator[bool]]
    without_credentials: Callable[[bytes], bytes]


CONTAINERS: dict[FormatName, Container] = {
    "jpeg": Container(jpeg.with_xmp, jpeg.xmp_of, jpeg.without_xmp, jpeg.credential_marks, jpeg.without_credentials),
    "png": Container(png.with_xmp, png.xmp_of, png.without_xmp, png.credential_marks, png.without_credentials),
    "webp": Container(webp.with_xmp, webp.xmp_of, webp.without_xmp, webp.credential_marks, webp.without_credentials),
    "avif": Container(avif.with_xmp, avif.xmp_of, avif.without_xmp, avif.credential_marks, avif.without_credentials),
}


def container_of(data: bytes) -> Container:
    """Return the metadata functions for a file.

    Raises:
        ValueError: If the format is not supported.
    """
    return CONTAINERS[format_of(data)]
