"""XMP and content credentials in JPEG files: APP1 and APP11 segments before the first scan.

Sources: XMP Specification part 3 (2020), section 1.1.3; C2PA Technical Specification 2.4, appendix A.3.1.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagemake.images.ends import MOST_PARTS
from imagemake.images.metadata.spans import without_spans

_XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"
_SOI, _JFIF, _APP1, _APP11, _START_OF_SCAN = b"\xff\xd8", 0xE0, 0xE1, 0xEB, 0xDA
_JPEG_XT = b"JP"  # begins a JUMBF segment; next: box number, segment number, box length, and box type
_NUMBER, _TYPE, _KIND = slice(6, 8), slice(16, 20), slice(28, 32)  # counted from the segment's marker


def with_xmp(bare: bytes, packet: bytes) -> bytes:
    """Put an XMP packet into a file that has none."""
    content = _XMP_NAME + packet
    segment = b"\xff\xe1" + (len(content) + 2).to_bytes(2) + content
    # JFIF must come first.
    at = next(end for marker, _, end in _segments(bare) if marker == _JFIF) if bare[3] == _JFIF else len(_SOI)
    return bare[:at] + segment + bare[at:]


def xmp_of(data: bytes) -> bytes | None:
    """Return the first XMP packet; None if there is none."""
    start = 4 + len(_XMP_NAME)
    return next((data[at + start : end] for _, at, end in _segments(data) if _is_xmp(data, at)), None)


def without_xmp(data: bytes) -> bytes:
    """Return the file without XMP."""
    return without_spans(data, [(at, end) for _, at, end in _segments(data) if _is_xmp(data, at)])


def credential_marks(data: bytes) -> Iterator[bool]:
    """Yield for each segment whether content credentials begin there."""
    for marker, at, end in _segments(data):
        yield marker == _APP11 and _is_jumbf(data[at : at + 32]) and data[at:end][_KIND] == b"c2pa"


def without_credentials(data: bytes) -> bytes:
    """Return the file without content credentials."""
    boxes = [(at, end) for marker, at, end in _segments(data) if marker == _APP11 and _is_jumbf(data[at : at + 32])]
    # Other standards also store boxes there: C2PA's have the number of a box of the kind c2pa.
    numbers = {data[at:end][_NUMBER] for at, end in boxes if data[at:end][_KIND] == b"c2pa"}
    return without_spans(data, [(at, end) for at, end in boxes if data[at:end][_NUMBER] in numbers])


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start, and end of each segment before the first scan; ValueError if the file is damaged."""
    at = len(_SOI)
    for _ in range(MOST_PARTS):
        if at + 4 > len(data) or data[at] != 0xFF:
            raise ValueError(f"the JPEG file is damaged: no segment begins at byte {at}")
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if marker == _START_OF_SCAN:
            return
        if length < 2 or at + 2 + length > len(data):
            raise ValueError(f"the JPEG file is damaged: the segment at byte {at} exceeds the file")
        yield marker, at, at + 2 + length
        at += 2 + length
    raise ValueError(f"the JPEG file has more than {MOST_PARTS:,} segments")


def _is_xmp(data: bytes, at: int) -> bool:
    return data[at + 1] == _APP1 and data.startswith(_XMP_NAME, at + 4)


def _is_jumbf(segment: bytes) -> bool:
    return segment[4:6] == _JPEG_XT and segment[_TYPE] == b"jumb"
