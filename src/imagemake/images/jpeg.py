"""Takes from a JPEG file the metadata that Pillow refuses to read, although the image does not need it."""

from __future__ import annotations

from imagemake.images.ends import MOST_PARTS

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_JFIF, _ICC, _PHOTOSHOP, _ADOBE = 0xE0, 0xE2, 0xED, 0xEE
# Marker, how the content begins, and the least bytes of content. libjpeg ignores shorter ones.
_LEAST_BYTES = ((_JFIF, b"JFIF", 14), (_ICC, b"ICC_PROFILE\0", 14), (_ADOBE, b"Adobe", 12))


def without_broken_segments(data: bytes, notes: list[str]) -> bytes:
    """Return the file without the segments that hold no image and are too short, and without Photoshop's."""
    kept, at, copied, broken = list[bytes](), 2, 0, False
    for _ in range(MOST_PARTS):
        marker, length = data[at + 1 : at + 2], int.from_bytes(data[at + 2 : at + 4])
        if data[at : at + 1] != b"\xff" or marker[:1] in (b"", b"\xff") or length < 2:
            break  # bytes to fill, or damage: for the decoder
        if marker[0] in (_START_OF_SCAN, _END_OF_IMAGE):
            break
        content, end = data[at + 4 : at + 2 + length], at + 2 + length
        is_short = any(
            marker[0] == one and content.startswith(begin) and len(content) < least
            for one, begin, least in _LEAST_BYTES
        )
        if is_short or marker[0] == _PHOTOSHOP:
            kept.append(data[copied:at])
            copied = end
            broken |= is_short
        at = end
    if broken:
        notes.append("damaged segments that the image does not need were ignored")
    return b"".join([*kept, data[copied:]]) if kept else data
