"""Finds where the image in a file ends by walking its parts, without decoding a pixel.

Some files are made to slow decoders down: a million chunks, or a million scans over the same pixels. Walking the parts
finds such files first, and finds data after the image.

Each function returns the number of bytes up to the end of the image, or None if the file ends first. Each raises
ValueError for a damaged part, or for so many parts that decoding would take too long.
"""

from __future__ import annotations

import re

MOST_PARTS = 100_000  # a PNG of 100 MB in the usual chunks of 8 KB has 12,000
MOST_SCANS = 100  # encoders write 1, or 6 to 12 if progressive; each is a pass over all pixels

_PNG_SIGNATURE_BYTES = 8
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # 0xff00 is a stuffed byte, 0xffd0 to 0xffd7 restart a scan
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_MARKERS_WITHOUT_LENGTH = (0x01, 0xD8)


def end_of_png(data: bytes) -> int | None:
    """Find the end of the image in a PNG file."""
    from isal.isal_zlib import crc32

    # Each chunk: length, name, content, CRC-32. Pillow ignores the CRC of pixel data, so it would decode damage.
    view, at = memoryview(data), _PNG_SIGNATURE_BYTES
    for _ in range(MOST_PARTS):
        if at + 12 > len(data):
            return None
        length = int.from_bytes(view[at : at + 4])
        name = data[at + 4 : at + 8]
        end = at + 12 + length
        if name == b"IDAT" and end <= len(data):
            crc = int.from_bytes(view[end - 4 : end])
            if crc32(view[at + 4 : end - 4]) != crc:
                raise ValueError(f"the file is damaged: the checksum of its pixel data at byte {at} is wrong")
        at = end
        if name == b"IEND":
            return at if at <= len(data) else None
    raise ValueError(f"the PNG file has more than {MOST_PARTS:,} chunks")


def end_of_jpeg(data: bytes) -> int | None:
    """Find the end of the image in a JPEG file."""
    at, scans = 2, 0
    for _ in range(MOST_PARTS):
        found = _MARKER.search(data, at)
        if found is None:
            return None
        marker, at = found[1][0], found.end()
        if marker == _END_OF_IMAGE:
            return at
        if marker in _MARKERS_WITHOUT_LENGTH:
            continue
        if marker == _START_OF_SCAN:
            scans += 1
            if scans > MOST_SCANS:
                raise ValueError(f"the JPEG file has more than {MOST_SCANS} scans")
        at += int.from_bytes(data[at : at + 2])
    raise ValueError(f"the JPEG file has more than {MOST_PARTS:,} segments")


def end_of_webp(data: bytes) -> int | None:
    """Find the end of the image in a WebP file."""
    end = int.from_bytes(data[4:8], "little") + 8
    return end if end <= len(data) else None


def end_of_avif(data: bytes) -> int | None:
    """Find the end of the image in an AVIF file."""
    # Boxes: length, name, content. Data after the image is not a valid box, or a box that exceeds the file.
    at, names = 0, set[bytes]()
    for _ in range(MOST_PARTS):
        length = int.from_bytes(data[at : at + 4])
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + 16])
        if length < 8 or at + length > len(data):
            return at if {b"meta", b"mdat"} <= names else None
        names.add(data[at + 4 : at + 8])
        at += length
    raise ValueError(f"the AVIF file has more than {MOST_PARTS:,} boxes")
