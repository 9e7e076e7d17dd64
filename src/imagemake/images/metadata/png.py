"""XMP and content credentials in PNG files: an ``iTXt`` and a ``caBX`` chunk.

Sources: XMP Specification part 3 (2020), section 1.1.5; C2PA Technical Specification 2.4, appendix A.3.2.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from imagemake.images.ends import MOST_PARTS
from imagemake.images.metadata.spans import without_spans

_ITXT = b"XML:com.adobe.xmp\0\0\0\0\0"  # keyword, not compressed, no language, no translation
_HEADER_BYTES = 8 + 25  # signature and IHDR


def with_xmp(bare: bytes, packet: bytes) -> bytes:
    """Put an XMP packet into a file that has none."""
    name, content = b"iTXt", _ITXT + packet
    chunk = len(content).to_bytes(4) + name + content + zlib.crc32(name + content).to_bytes(4)
    return bare[:_HEADER_BYTES] + chunk + bare[_HEADER_BYTES:]


def xmp_of(data: bytes) -> bytes | None:
    """Return the first XMP packet; None if there is none."""
    start = 8 + len(_ITXT)
    return next((data[at + start : end - 4] for at, end in _chunks(data) if _is_xmp(data, at)), None)


def without_xmp(data: bytes) -> bytes:
    """Return the file without XMP."""
    return without_spans(data, [(at, end) for at, end in _chunks(data) if _is_xmp(data, at)])


def credential_marks(data: bytes) -> Iterator[bool]:
    """Yield for each chunk whether content credentials begin there."""
    return (_has_credentials(data, at) for at, _ in _chunks(data))


def without_credentials(data: bytes) -> bytes:
    """Return the file without content credentials."""
    return without_spans(data, [(at, end) for at, end in _chunks(data) if _has_credentials(data, at)])


def _chunks(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of each chunk; ValueError if the file is damaged."""
    at = 8
    for _ in range(MOST_PARTS):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if end > len(data):
            raise ValueError(f"the PNG file is damaged: the chunk at byte {at} exceeds the file")
        yield at, end
        if data[at + 4 : at + 8] == b"IEND":
            return
        at = end
    raise ValueError(f"the PNG file has more than {MOST_PARTS:,} chunks")


def _is_xmp(data: bytes, at: int) -> bool:
    return data[at + 4 : at + 8] == b"iTXt" and data.startswith(_ITXT, at + 8)


def _has_credentials(data: bytes, at: int) -> bool:
    return data[at + 4 : at + 8] == b"caBX"
