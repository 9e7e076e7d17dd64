"""XMP in image files: put in and taken out of the container as it is, so that no pixel is encoded again.

Each format has one place for it: JPEG an APP1 segment, PNG an ``iTXt`` chunk, WebP an ``XMP `` chunk (XMP Specification
part 3, 2020; WebP Container Specification), AVIF an item (`imagemake.images.metadata.avif`). Taking out what was put
in gives back the very same bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from imagemake.images.file_format import MOST_PARTS, format_of
from imagemake.images.metadata import avif as embedded_avif

MOST_PACKET_BYTES = 65_502  # what one APP1 segment of a JPEG holds beside its own name; kept to in every format

_APP1 = b"http://ns.adobe.com/xap/1.0/\0"
_SOI, _JFIF, _EXIF_OR_XMP, _START_OF_SCAN = b"\xff\xd8", 0xE0, 0xE1, 0xDA
_ITXT = b"XML:com.adobe.xmp\0\0\0\0\0"  # keyword, not compressed, no language, no translation
_PNG_HEADER_BYTES = 8 + 25  # signature and IHDR
_RIFF_HEADER_BYTES = 12
_HAS_XMP, _HAS_ALPHA = 0x04, 0x10
_EXTENDED_PARTS = {b"ALPH", b"ICCP", b"EXIF", b"ANIM", b"ANMF"}

Part = tuple[bytes, bytes]  # name and whole bytes, name and length included


def with_packet(data: bytes, packet: bytes) -> bytes:
    """Put an XMP packet into an image file, in place of one that is there.

    Args:
        data: A JPEG, PNG, WebP or AVIF file.
        packet: At most `MOST_PACKET_BYTES`.

    Raises:
        ValueError: If the packet is too long, or the file is damaged or of another format.
    """
    if len(packet) > MOST_PACKET_BYTES:
        raise ValueError(f"the XMP packet has {len(packet):,} bytes, more than {MOST_PACKET_BYTES:,}")
    bare = without_packet(data)
    file_format = format_of(bare)
    if file_format == "jpeg":
        content = _APP1 + packet
        segment = b"\xff\xe1" + (len(content) + 2).to_bytes(2) + content
        # JFIF asks to stand first.
        at = next(end for marker, _, end in jpeg_segments(bare) if marker == _JFIF) if bare[3] == _JFIF else len(_SOI)
        return bare[:at] + segment + bare[at:]
    if file_format == "png":
        return bare[:_PNG_HEADER_BYTES] + _png_chunk(b"iTXt", _ITXT + packet) + bare[_PNG_HEADER_BYTES:]
    return embedded_avif.with_packet(bare, packet) if file_format == "avif" else _webp_with(bare, packet)


def packet_of(data: bytes) -> bytes | None:
    """Return the first XMP packet of an image file; None where there is none.

    Raises:
        ValueError: If the file is damaged or of another format.
    """
    file_format = format_of(data)
    if file_format == "jpeg":
        start = 4 + len(_APP1)
        return next((data[at + start : end] for _, at, end in jpeg_segments(data) if _is_xmp_segment(data, at)), None)
    if file_format == "png":
        start = 8 + len(_ITXT)
        return next((data[at + start : end - 4] for at, end in png_chunks(data) if _is_xmp_chunk(data, at)), None)
    if file_format == "avif":
        return embedded_avif.packet_of(data)
    found = next((part for name, part in webp_parts(data) if name == b"XMP "), None)
    return None if found is None else found[8 : 8 + int.from_bytes(found[4:8], "little")]


def without_packet(data: bytes) -> bytes:
    """Return an image file without XMP: byte for byte what `with_packet` was given.

    Raises:
        ValueError: If the file is damaged or of another format.
    """
    file_format = format_of(data)
    if file_format == "jpeg":
        return without_spans(data, [(at, end) for _, at, end in jpeg_segments(data) if _is_xmp_segment(data, at)])
    if file_format == "png":
        return without_spans(data, [(at, end) for at, end in png_chunks(data) if _is_xmp_chunk(data, at)])
    if file_format == "avif":
        return embedded_avif.without_packet(data)
    parts = webp_parts(data)
    return _webp_without(parts) if any(name == b"XMP " for name, _ in parts) else data


def without_spans(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    """Cut parts out of a file, each given by its start and end, in their order."""
    if not spans:
        return data
    kept, at = [], 0
    for start, end in spans:
        kept.append(data[at:start])
        at = end
    return b"".join([*kept, data[at:]])


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each segment of a JPEG before its first scan; ValueError where it is damaged."""
    at = len(_SOI)
    for _ in range(MOST_PARTS):
        if at + 4 > len(data) or data[at] != 0xFF:
            raise ValueError(f"the JPEG file is damaged: no segment begins at byte {at}")
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if marker == _START_OF_SCAN:
            return
        if length < 2 or at + 2 + length > len(data):
            raise ValueError(f"the JPEG file is damaged: the segment at byte {at} leaves the file")
        yield marker, at, at + 2 + length
        at += 2 + length
    raise ValueError(f"the JPEG file has more than {MOST_PARTS:,} segments")


def _is_xmp_segment(data: bytes, at: int) -> bool:
    return data[at + 1] == _EXIF_OR_XMP and data.startswith(_APP1, at + 4)


def _png_chunk(name: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4) + name + content + zlib.crc32(name + content).to_bytes(4)


def png_chunks(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of each chunk of a PNG; ValueError where the file is damaged."""
    at = 8
    for _ in range(MOST_PARTS):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if end > len(data):
            raise ValueError(f"the PNG file is damaged: the chunk at byte {at} leaves the file")
        yield at, end
        if data[at + 4 : at + 8] == b"IEND":
            return
        at = end
    raise ValueError(f"the PNG file has more than {MOST_PARTS:,} chunks")


def _is_xmp_chunk(data: bytes, at: int) -> bool:
    return data[at + 4 : at + 8] == b"iTXt" and data.startswith(_ITXT, at + 8)


def webp_parts(data: bytes) -> list[Part]:
    """Return the chunks of a WebP file; ValueError where it is damaged."""
    at, parts = _RIFF_HEADER_BYTES, list[Part]()
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise ValueError("the WebP file is cut off before its end")
    while at < end:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        after = at + 8 + length + length % 2
        if at + 8 > end or after > end or len(parts) >= MOST_PARTS:
            raise ValueError(f"the WebP file is damaged: the chunk at byte {at} leaves the file")
        parts.append((data[at : at + 4], data[at:after]))
        at = after
    if not parts:
        raise ValueError("the WebP file is damaged: it holds nothing")
    return parts


def _webp_with(bare: bytes, packet: bytes) -> bytes:
    parts = webp_parts(bare)
    name, first = parts[0]
    if name == b"VP8X":
        header, rest = first[:8] + bytes([first[8] | _HAS_XMP]) + first[9:], parts[1:]
    else:
        header, rest = _webp_header(name, first), parts
    xmp = b"XMP " + len(packet).to_bytes(4, "little") + packet + b"\0" * (len(packet) % 2)
    return riff([header, *(part for _, part in rest), xmp])


def _webp_header(name: bytes, part: bytes) -> bytes:
    """Return the chunk that must stand first in a file with more than one: flags, then width and height less one."""
    if name == b"VP8 " and part[11:14] == b"\x9d\x01\x2a":
        width_px, height_px = (int.from_bytes(part[at : at + 2], "little") & 0x3FFF for at in (14, 16))
        flags = _HAS_XMP
    elif name == b"VP8L" and part[8:9] == b"\x2f":
        bits = int.from_bytes(part[9:13], "little")
        width_px, height_px = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        flags = _HAS_XMP | (_HAS_ALPHA if bits >> 28 & 1 else 0)
    else:
        raise ValueError("the WebP file is damaged: its image does not begin like one")
    if not width_px or not height_px:
        raise ValueError("the WebP file is damaged: it has no size")
    size = (width_px - 1).to_bytes(3, "little") + (height_px - 1).to_bytes(3, "little")
    return b"VP8X" + (10).to_bytes(4, "little") + bytes([flags, 0, 0, 0]) + size


def _webp_without(parts: list[Part]) -> bytes:
    kept = [(name, part) for name, part in parts if name != b"XMP "]
    if kept and kept[0][0] == b"VP8X":
        if any(name in _EXTENDED_PARTS for name, _ in kept) or len(kept) != 2:
            header = kept[0][1]
            kept[0] = (b"VP8X", header[:8] + bytes([header[8] & ~_HAS_XMP]) + header[9:])
        else:
            kept = kept[1:]
    return riff([part for _, part in kept])


def riff(parts: list[bytes]) -> bytes:
    """Put the chunks of a WebP file together."""
    content = b"WEBP" + b"".join(parts)
    return b"RIFF" + len(content).to_bytes(4, "little") + content
