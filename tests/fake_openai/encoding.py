"""PNG and JPEG files, assembled from encoded bands, so that a new image costs only a concatenation.

Both formats allow it. A PNG's pixels are one deflate stream, in which a full flush makes what follows independent of
what came before; each band is an IDAT chunk of its own, so its CRC is known, and only the Adler-32 at the end is
computed anew, from those of the bands. A JPEG's scan restarts after every restart interval, and a band is one.

Everything is kept in base64, as the API answers it: pieces whose lengths divide by three can be concatenated there.
"""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from fake_openai.drawing import Pixels

# An empty stored block: five bytes that may be between any two blocks of a deflate stream.
EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"
ADLER_MODULUS = 65521
START_OF_FRAME, START_OF_SCAN = 0xC0, 0xDA


@dataclass(frozen=True, slots=True)
class Band:
    """An encoded band.

    Attributes:
        base64: Its bytes in the file; no padding.
        adler: Adler-32 of its filtered rows (PNG).
        raw_bytes: Length of its filtered rows (PNG).
        header: Bytes before the scan (JPEG).
    """

    base64: bytes
    adler: int = 1
    raw_bytes: int = 0
    header: bytes = b""


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Return a PNG chunk with length and CRC."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encode_png_band(pixels: Pixels) -> Band:
    """Encode a band as a separate IDAT chunk.

    Args:
        pixels: Shape (height, width, 3 or 4).
    """
    height, width, channels = pixels.shape
    rows = np.empty((height, 1 + width * channels), np.uint8)
    rows[:, 0] = 1  # filter Sub refers to the left only, never to the band above
    flat = pixels.reshape(height, -1)
    rows[:, 1 : 1 + channels] = flat[:, :channels]
    np.subtract(flat[:, channels:], flat[:, :-channels], out=rows[:, 1 + channels :])
    raw = rows.tobytes()
    # Huffman only: grain has no repetitions, and searching for them would take most of the time.
    deflate = zlib.compressobj(1, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    data = deflate.compress(raw) + deflate.flush(zlib.Z_FULL_FLUSH)
    data += EMPTY_BLOCK * (len(data) % 3)  # 5 k more bytes; a chunk adds 12 around them
    return Band(base64.b64encode(png_chunk(b"IDAT", data)), zlib.adler32(raw), len(raw))


def _joined_adler(bands: Sequence[Band]) -> int:
    low, high = 1, 0
    for band in bands:
        band_high, band_low = divmod(band.adler, 1 << 16)
        high = (high + band_high + band.raw_bytes * (low - 1)) % ADLER_MODULUS
        low = (low + band_low - 1) % ADLER_MODULUS
    return high << 16 | low


def join_png(bands: Sequence[Band], width_px: int, height_px: int, channels: int, comment: str) -> list[bytes]:
    """Assemble a PNG.

    Args:
        bands: From top to bottom.
        width_px: Width.
        height_px: Height.
        channels: 3, or 4 with alpha.
        comment: ASCII text in the file, which makes it unique.

    Returns:
        Pieces of the file in base64.
    """
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, {3: 2, 4: 6}[channels], 0, 0, 0)
    zlib_header = png_chunk(b"IDAT", b"\x78\x01")
    head = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
    text = b"Comment\x00" + comment.encode("ascii")
    text += b" " * (-(len(head) + len(text) + 12 + len(zlib_header)) % 3)
    head += png_chunk(b"tEXt", text) + zlib_header
    tail = png_chunk(b"IDAT", b"\x03\x00" + struct.pack(">I", _joined_adler(bands))) + png_chunk(b"IEND", b"")
    return [base64.b64encode(head), *(band.base64 for band in bands), base64.b64encode(tail)]


def encode_jpeg_band(pixels: Pixels, quality: int) -> Band:
    """Encode a band as one restart interval of a JPEG.

    Args:
        pixels: Shape (height, width, 3); the height divides by 16, except for the last band.
        quality: Pillow's, 1 to 95.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling="4:2:0", optimize=False)
    jpeg = buffer.getvalue()
    _, start = _segment(jpeg, START_OF_SCAN)
    scan = jpeg[start:-2]  # without the end-of-image marker
    scan += b"\xff" * (-len(scan) % 3)  # fill bytes are allowed before any marker, and a marker comes next
    return Band(base64.b64encode(scan), header=jpeg[:start])


def _segment(jpeg: bytes | bytearray, wanted: int) -> tuple[int, int]:
    """Find where the first segment with this marker starts and ends; its bytes can be anywhere, so walk."""
    at = 2
    while True:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if jpeg[at + 1] == wanted:
            return at, end
        at = end


def join_jpeg(bands: Sequence[Band], width_px: int, height_px: int, band_height_px: int, comment: str) -> list[bytes]:
    """Assemble a JPEG from bands of the same quality. Arguments and result are as in `join_png`."""
    header = bytearray(bands[0].header)
    frame, _ = _segment(header, START_OF_FRAME)
    header[frame + 5 : frame + 7] = struct.pack(">H", height_px)
    start_of_scan, _ = _segment(header, START_OF_SCAN)
    interval = -(-width_px // 16) * (band_height_px // 16)
    restarts = b"\xff\xdd" + struct.pack(">HH", 4, interval)
    text = comment.encode("ascii")
    text += b" " * (-(len(header) + len(restarts) + 4 + len(text)) % 3)
    stamp = b"\xff\xfe" + struct.pack(">H", 2 + len(text)) + text
    head = bytes(header[:start_of_scan]) + stamp + restarts + bytes(header[start_of_scan:])
    pieces = [base64.b64encode(head)]
    for position, band in enumerate(bands):
        marker = 0xD9 if position == len(bands) - 1 else 0xD0 + position % 8  # end of the image, or a restart
        pieces += [band.base64, base64.b64encode(bytes((0xFF, 0xFF, marker)))]
    return pieces


def encode(pixels: Pixels, output_format: str, compression: int, comment: str) -> bytes:
    """Encode a whole image, which is slow. The file contains the comment.

    Args:
        pixels: Shape (height, width, 3 or 4).
        output_format: png, jpeg or webp.
        compression: The API's output_compression, 0 to 100, where 100 is the best image.
        comment: ASCII text.
    """
    buffer = io.BytesIO()
    options: dict[str, Any] = {"quality": jpeg_quality(compression)}
    if output_format == "png":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_text("Comment", comment)
        options = {"pnginfo": info, "compress_level": 1}
    elif output_format == "jpeg":
        options["comment"] = comment.encode("ascii")
    else:
        options |= {"method": 0, "xmp": f"<!-- {comment} -->".encode("ascii")}
    Image.fromarray(pixels).save(buffer, output_format, **options)
    return buffer.getvalue()


def jpeg_quality(compression: int) -> int:
    """Return Pillow's quality for the API's output_compression."""
    return min(95, max(5, compression))
