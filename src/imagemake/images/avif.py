"""Reads from an AVIF file what Pillow does not tell, and lets Pillow take files of every brand of AVIF."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imagemake.images.icc import profile_of_code_points
from imagemake.images.metadata.avif import MOST_BOXES, IsoBox, boxes

_BRAND = slice(8, 12)
_EXIF_INFO = re.compile(rb"(infe\x02.{7})Exif", re.DOTALL)  # version 2: flags, number, protection, type
_FULL = 4  # bytes of version and flags at the start of many boxes


def with_plain_brand(data: bytes) -> bytes:
    """Return the file with `avif` as its major brand. Pillow does not look at the compatible brands."""
    return data if data[_BRAND] == b"avif" else data[: _BRAND.start] + b"avif" + data[_BRAND.stop :]


def profile_of_avif(data: bytes, notes: list[str]) -> bytes | None:
    """Return the color profile that the file describes by code points; None if there is none, or it means sRGB."""
    try:
        code_points = _code_points(data)
    except (ValueError, IndexError):  # boxes that the decoder can do without
        return None
    return None if code_points is None else profile_of_code_points(*code_points, notes)


def without_exif(data: bytes) -> bytes:
    """Return the file with its EXIF data named as something that decoders skip: libavif refuses a broken one."""
    meta = _meta(data)
    if meta is None:
        return data
    return data[: meta.start] + _EXIF_INFO.sub(rb"\1skip", data[meta.start : meta.end]) + data[meta.end :]


def _code_points(data: bytes) -> tuple[int, int] | None:
    meta = _meta(data)
    properties = _inside(data, meta, b"iprp", _FULL)
    container = _inside(data, properties, b"ipco")
    found = boxes(data, container.content, container.end) if container else []
    for number in _numbers(data, meta, properties):
        content = data[found[number - 1].content : found[number - 1].end] if 0 < number <= len(found) else b""
        if content[:4] == b"nclx" and len(content) >= 8 and found[number - 1].name == b"colr":
            return int.from_bytes(content[4:6]), int.from_bytes(content[6:8])
    return None


def _numbers(data: bytes, meta: IsoBox | None, properties: IsoBox | None) -> Iterator[int]:
    """List the numbers, from 1, of the properties that the primary image has (ISO/IEC 14496-12, `ipma`)."""
    pitm, ipma = _inside(data, meta, b"pitm", _FULL), _inside(data, properties, b"ipma")
    if pitm is None or ipma is None:
        return
    primary = int.from_bytes(data[pitm.content + _FULL : pitm.end])
    wide_ids, wide_numbers = data[ipma.content] > 0, data[ipma.content + 3] & 1
    id_bytes, number_bytes = (4 if wide_ids else 2), (2 if wide_numbers else 1)
    at = ipma.content + _FULL + 4
    while at + id_bytes < ipma.end:
        item, count = int.from_bytes(data[at : at + id_bytes]), data[at + id_bytes]
        at += id_bytes + 1
        if item == primary:
            for place in range(at, min(at + count * number_bytes, ipma.end), number_bytes):
                # The first bit says whether a reader must know the property.
                yield int.from_bytes(data[place : place + number_bytes]) & (0x7FFF if wide_numbers else 0x7F)
        at += count * number_bytes


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
