"""Reads from an AVIF file what Pillow does not tell, and lets Pillow take files of every brand of AVIF."""

from __future__ import annotations

from imagemake.images.icc import profile_of_code_points
from imagemake.images.metadata.avif import MOST_BOXES, IsoBox, boxes

_BRAND = slice(8, 12)
_FULL = 4  # bytes of version and flags at the start of many boxes


def with_plain_brand(data: bytes) -> bytes:
    """Return the file with `avif` as its major brand. Pillow does not look at the compatible brands."""
    return data if data[_BRAND] == b"avif" else data[: _BRAND.start] + b"avif" + data[_BRAND.stop :]


def profile_of_avif(data: bytes, notes: list[str]) -> bytes | None:
    """Return the color profile that the file describes by code points; None if there is none, or it means sRGB."""
    try:
        code_points = _code_points(data)
    except ValueError:  # boxes that the decoder can do without
        return None
    return None if code_points is None else profile_of_code_points(*code_points, notes)


def _code_points(data: bytes) -> tuple[int, int] | None:
    meta = _meta(data)
    properties = _inside(data, _inside(data, meta, b"iprp", _FULL), b"ipco")
    for box in boxes(data, properties.content, properties.end) if properties else []:
        content = data[box.content : box.end]
        if box.name == b"colr" and content[:4] == b"nclx" and len(content) >= 8:
            return int.from_bytes(content[4:6]), int.from_bytes(content[6:8])
    return None


def _inside(data: bytes, outer: IsoBox | None, name: bytes, skipped: int = 0) -> IsoBox | None:
    inner = boxes(data, outer.content + skipped, outer.end) if outer else []
    return next((box for box in inner if box.name == name), None)


def _meta(data: bytes) -> IsoBox | None:
    # One box at a time: what follows the image may be no box at all.
    at = 0
    for _ in range(MOST_BOXES):
        header = 16 if data[at : at + 4] == b"\0\0\0\1" else 8
        size = int.from_bytes(data[at : at + 4] if header == 8 else data[at + 8 : at + 16])
        if size < header or at + size > len(data):
            return None
        if data[at + 4 : at + 8] == b"meta":
            return IsoBox(b"meta", at, at + header, at + size)
        at += size
    return None
