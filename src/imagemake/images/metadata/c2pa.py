"""Content credentials in image files: whether there are any, and the file without them.

They are a JUMBF box (ISO 19566-5), which C2PA calls the manifest store. Each format has one place for it: JPEG APP11
segments, PNG a ``caBX`` chunk, WebP a ``C2PA`` chunk, AVIF a ``uuid`` box (C2PA Technical Specification 2.4, appendix
A). This finds and cuts it and reads nothing of it, so it needs no library, and hostile boxes cannot do anything here.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagemake.images.file_format import MOST_PARTS, format_of
from imagemake.images.metadata.xmp import jpeg_segments, png_chunks, riff, webp_parts, without_spans

_MIME = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "avif": "image/avif"}
_AVIF_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_WEBP_BOX = b"C2PA"
_APP11 = 0xEB
_JPEG_XT = b"JP"  # what begins a JUMBF segment: then the box's number, the segment's place, the box's length and type
_NUMBER, _TYPE, _KIND = slice(6, 8), slice(16, 20), slice(28, 32)  # from the segment's marker on


def mime_of(data: bytes) -> str:
    """Return the media type of an image that can hold content credentials.

    Raises:
        ValueError: If it is none; the message says what it is.
    """
    return _MIME[format_of(data)]


def has_manifest(data: bytes) -> bool:
    """Say whether a file carries content credentials, whatever they are worth; also one that is cut off behind them."""
    try:
        return any(_marks(data))
    except ValueError:
        return False


def without_manifest(data: bytes) -> bytes:
    """Return a JPEG, PNG or WebP file without content credentials: byte for byte what was signed.

    Raises:
        ValueError: If the file is damaged or of another format, or an AVIF file with credentials: signing it moved what
            is behind them, and every place that the file tells.
    """
    file_format = format_of(data)
    if file_format == "avif":
        if has_manifest(data):
            raise ValueError("content credentials of an AVIF file cannot be taken out")
        return data
    if file_format != "webp":
        return without_spans(data, _spans(data))
    parts = webp_parts(data)
    kept = [part for name, part in parts if name != _WEBP_BOX]
    return riff(kept) if len(kept) < len(parts) else data


def _marks(data: bytes) -> Iterator[bool]:
    """Yield for part after part whether it begins content credentials."""
    kind = mime_of(data)
    if kind == "image/avif":
        yield from _avif_marks(data)
    elif kind == "image/png":
        yield from (_is_png_box(data, at) for at, _ in png_chunks(data))
    elif kind == "image/webp":
        yield from (name == _WEBP_BOX for name, _ in webp_parts(data))
    else:
        yield from (
            marker == _APP11 and _is_jumbf(data[at : at + 32]) and data[at:end][_KIND] == b"c2pa"
            for marker, at, end in jpeg_segments(data)
        )


def _spans(data: bytes) -> list[tuple[int, int]]:
    if format_of(data) == "png":
        return [(at, end) for at, end in png_chunks(data) if _is_png_box(data, at)]
    boxes = [(at, end) for marker, at, end in jpeg_segments(data) if marker == _APP11 and _is_jumbf(data[at : at + 32])]
    # Other standards keep boxes of their own there: ours are those with the number of one that says what it is.
    numbers = {data[at:end][_NUMBER] for at, end in boxes if data[at:end][_KIND] == b"c2pa"}
    return [(at, end) for at, end in boxes if data[at:end][_NUMBER] in numbers]


def _is_png_box(data: bytes, at: int) -> bool:
    return data[at + 4 : at + 8] == b"caBX"


def _is_jumbf(segment: bytes) -> bool:
    return segment[4:6] == _JPEG_XT and segment[_TYPE] == b"jumb"


def _avif_marks(data: bytes) -> Iterator[bool]:
    at = 0
    for _ in range(MOST_PARTS):
        length = int.from_bytes(data[at : at + 4])
        yield data[at + 4 : at + 8] == b"uuid" and data[at + 8 : at + 24] == _AVIF_BOX
        if length < 8:  # the end of the file, or a box that goes there; credentials stand before the image
            return
        at += length
