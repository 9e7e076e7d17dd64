"""XMP and content credentials in WebP files: an ``XMP `` and a ``C2PA`` chunk.

Sources: WebP Container Specification; C2PA Technical Specification 2.4, appendix A.3.6.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagemake.images.ends import MOST_PARTS

_RIFF_HEADER_BYTES = 12
_HAS_XMP, _HAS_ALPHA = 0x04, 0x10
_EXTENDED_PARTS = {b"ALPH", b"ICCP", b"EXIF", b"ANIM", b"ANMF"}
_XMP, _CREDENTIALS = b"XMP ", b"C2PA"

Part = tuple[bytes, bytes]  # name, and all bytes including name and length


def with_xmp(bare: bytes, packet: bytes) -> bytes:
    """Put an XMP packet into a file that has none."""
    parts = _parts(bare)
    name, first = parts[0]
    if name == b"VP8X":
        header, rest = first[:8] + bytes([first[8] | _HAS_XMP]) + first[9:], parts[1:]
    else:
        header, rest = _header(name, first), parts
    xmp = b"XMP " + len(packet).to_bytes(4, "little") + packet + b"\0" * (len(packet) % 2)
    return _riff([header, *(part for _, part in rest), xmp])


def xmp_of(data: bytes) -> bytes | None:
    """Return the first XMP packet; None if there is none."""
    found = next((part for name, part in _parts(data) if name == _XMP), None)
    return None if found is None else found[8 : 8 + int.from_bytes(found[4:8], "little")]


def without_xmp(data: bytes) -> bytes:
    """Return the file without XMP."""
    parts = _parts(data)
    kept = [(name, part) for name, part in parts if name != _XMP]
    if len(kept) == len(parts):
        return data
    if kept and kept[0][0] == b"VP8X":
        if any(name in _EXTENDED_PARTS for name, _ in kept) or len(kept) != 2:
            header = kept[0][1]
            kept[0] = (b"VP8X", header[:8] + bytes([header[8] & ~_HAS_XMP]) + header[9:])
        else:
            kept = kept[1:]
    return _riff([part for _, part in kept])


def credential_marks(data: bytes) -> Iterator[bool]:
    """Yield for each chunk whether it holds content credentials."""
    return (name == _CREDENTIALS for name, _ in _parts(data))


def without_credentials(data: bytes) -> bytes:
    """Return the file without content credentials."""
    parts = _parts(data)
    kept = [part for name, part in parts if name != _CREDENTIALS]
    return _riff(kept) if len(kept) < len(parts) else data


def _parts(data: bytes) -> list[Part]:
    """Return the chunks of a file; ValueError if it is damaged."""
    at, parts = _RIFF_HEADER_BYTES, list[Part]()
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise ValueError("the WebP file is cut off before its end")
    while at < end:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        after = at + 8 + length + length % 2
        if at + 8 > end or after > end or len(parts) >= MOST_PARTS:
            raise ValueError(f"the WebP file is damaged: the chunk at byte {at} exceeds the file")
        parts.append((data[at : at + 4], data[at:after]))
        at = after
    if not parts:
        raise ValueError("the WebP file is damaged: it is empty")
    return parts


def _header(name: bytes, part: bytes) -> bytes:
    """Return the chunk that must come first in a file with several: flags, then width and height minus one."""
    if name == b"VP8 " and part[11:14] == b"\x9d\x01\x2a":
        width_px, height_px = (int.from_bytes(part[at : at + 2], "little") & 0x3FFF for at in (14, 16))
        flags = _HAS_XMP
    elif name == b"VP8L" and part[8:9] == b"\x2f":
        bits = int.from_bytes(part[9:13], "little")
        width_px, height_px = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        flags = _HAS_XMP | (_HAS_ALPHA if bits >> 28 & 1 else 0)
    else:
        raise ValueError("the WebP file is damaged: its image has no valid header")
    if not width_px or not height_px:
        raise ValueError("the WebP file is damaged: it has no size")
    size = (width_px - 1).to_bytes(3, "little") + (height_px - 1).to_bytes(3, "little")
    return b"VP8X" + (10).to_bytes(4, "little") + bytes([flags, 0, 0, 0]) + size


def _riff(parts: list[bytes]) -> bytes:
    content = b"WEBP" + b"".join(parts)
    return b"RIFF" + len(content).to_bytes(4, "little") + content
