"""Unusual image files for tests: PNGs assembled from chunks, and small color profiles."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, RGB, PALETTE, GRAY_ALPHA = 0, 2, 3, 4
D50 = (0.9642, 1.0, 0.8249)
SRGB_PRIMARIES_D50 = ((0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))


def saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(
    width_px: int, height_px: int, depth_bits: int, color_type: int, rows: list[bytes], before_pixels: bytes = b""
) -> bytes:
    header = struct.pack(">IIBBBBB", width_px, height_px, depth_bits, color_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return PNG_SIGNATURE + chunk(b"IHDR", header) + before_pixels + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def profile(space: str, gamma: float) -> bytes:
    """Build an ICC profile (version 2) with the primaries of sRGB and a simple gamma; `space` is RGB or GRAY."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {b"wtpt": _xyz(D50), b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78)}
    if space == "RGB":
        for name, primary in zip((b"r", b"g", b"b"), SRGB_PRIMARIES_D50, strict=True):
            tags |= {name + b"XYZ": _xyz(primary), name + b"TRC": curve}
    else:
        tags[b"kTRC"] = curve
    table, body = b"", b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, 128 + 4 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = 128 + 4 + len(table) + len(body)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02100000, b"mntr", space.ljust(4).encode(), b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">III", *(round(value * 65536) for value in D50))
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">iii", *(round(value * 65536) for value in values))
