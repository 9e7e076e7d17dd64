"""What an image file says about itself before a pixel is decoded: its format, and where its image ends.

Decoders are slow on files that are made to be slow: a million chunks, a million scans over the same pixels. A walk
along the parts finds those first, and finds what lies behind the image.
"""

from __future__ import annotations

import re
import zlib

FORMATS = ("png", "jpeg", "webp", "avif")

MOST_PARTS = 100_000  # a PNG of 100 MB in the usual chunks of 8 KB has 12,000
MOST_SCANS = 100  # encoders write 1, progressive ones 6 to 12; each is a pass over all pixels

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_RIFF_HEADER_BYTES = 12
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # 0xff00 is a stuffed byte, 0xffd0 to 0xffd7 restart a scan
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_MARKERS_WITHOUT_LENGTH = (0x01, 0xD8)

# Formats that come up by mistake, so that the reason can name them: (bytes, at which place, name).
_OTHERS = (
    (b"GIF8", 0, "a GIF"),
    (b"ftypavis", 4, "an AVIF animation"),
    (b"ftyphei", 4, "a HEIC"),
    (b"BM", 0, "a BMP"),
    (b"II*\0", 0, "a TIFF"),
    (b"MM\0*", 0, "a TIFF"),
    (b"%PDF", 0, "a PDF"),
    (b"PK\3\4", 0, "a ZIP"),
    (b"\x1f\x8b", 0, "a gzip"),
    (b"ftyp", 4, "a video"),
)


def format_of(data: bytes) -> str:
    """Tell a file's format by its first bytes.

    Returns:
        One of `FORMATS`.

    Raises:
        ValueError: If it is another one; the message says which, where it can.
    """
    if not data:
        raise ValueError("the file is empty")
    if data.startswith(_PNG_SIGNATURE):
        return "png"
    if data.startswith(_JPEG_SIGNATURE):
        return "jpeg"
    if data.startswith(b"RIFF") and data[8:_RIFF_HEADER_BYTES] == b"WEBP":
        return "webp"
    if data[4:12] == b"ftypavif":
        return "avif"
    for signature, place, name in _OTHERS:
        if data.startswith(signature, place):
            raise ValueError(f"it is {name} file, and only PNG, JPEG, WebP and AVIF are read")
    if data.lstrip()[:1] in (b"<", b"{", b"["):
        raise ValueError("it is text such as HTML, SVG or JSON, not a PNG, JPEG, WebP or AVIF file")
    raise ValueError("it does not begin like a PNG, JPEG, WebP or AVIF file")


def end_of_image(data: bytes, file_format: str) -> int | None:
    """Walk along the parts of a file to where its image ends.

    Args:
        data: The whole file.
        file_format: What `format_of` said.

    Returns:
        The number of bytes up to the image's own end; None if the file ends first.

    Raises:
        ValueError: If a part is damaged, or there are so many that decoding would take forever.
    """
    walk = {"png": _end_of_png, "jpeg": _end_of_jpeg, "webp": _end_of_webp, "avif": _end_of_avif}[file_format]
    return walk(data)


def _end_of_png(data: bytes) -> int | None:
    # Each chunk: length, name, content, CRC-32. Pillow skips the CRC of pixel data, and so shows damage as an image.
    view, at = memoryview(data), len(_PNG_SIGNATURE)
    for _ in range(MOST_PARTS):
        if at + 12 > len(data):
            return None
        length = int.from_bytes(view[at : at + 4])
        name = data[at + 4 : at + 8]
        end = at + 12 + length
        if name == b"IDAT" and end <= len(data):
            crc = int.from_bytes(view[end - 4 : end])
            if zlib.crc32(view[at + 4 : end - 4]) != crc:
                raise ValueError(f"the file is damaged: the checksum of its pixel data at byte {at} is wrong")
        at = end
        if name == b"IEND":
            return at if at <= len(data) else None
    raise ValueError(f"the PNG file has more than {MOST_PARTS:,} chunks")


def _end_of_jpeg(data: bytes) -> int | None:
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


def _end_of_webp(data: bytes) -> int | None:
    end = int.from_bytes(data[4:8], "little") + 8
    return end if end <= len(data) else None


def _end_of_avif(data: bytes) -> int | None:
    # Boxes: length, name, content. What lies behind the image begins like no box, or like one that leaves the file.
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
