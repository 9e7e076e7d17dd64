"""Takes from a PNG file what shows the image, so that nothing else in it can keep the image from being decoded.

A decoder gets the critical chunks and `tRNS`. Color and orientation are read here. Of the other ancillary chunks none
is used, so whatever is wrong with them costs no image, as in browsers.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from imagemake.images.ends import MOST_PARTS
from imagemake.images.icc import MOST_PROFILE_BYTES, profile_of_code_points, profile_of_gamma

_SIGNATURE_BYTES = 8
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_AFTER_PIXELS_TOO = (b"eXIf",)
_LENGTHS = {b"acTL": 8, b"cHRM": 32, b"cICP": 4, b"gAMA": 4, b"pHYs": 9, b"sRGB": 1, b"tIME": 7}
_COLOR_KEY_BYTES = {0: 2, 2: 6}  # by color type: one level, or one color
_INDEXED = 3
_HEADER_BYTES = 13
_MOST_NAMES = 5
_USED = (b"acTL", b"cHRM", b"cICP", b"eXIf", b"gAMA", b"iCCP", b"sRGB", b"tRNS")
_MOST_FRAMES = 0x80000000  # as in Pillow


@dataclass
class Png:
    """What a PNG file says about its pixels.

    Attributes:
        data: The file with the critical chunks and `tRNS` only.
        chunks: The content of the ancillary chunks that can be used: of each name, the first one.
        color_key: The transparent level or color, with as many bits as the pixels have; None if there is none.
        bits: Bits per channel.
        frames: Number of images; more than 1 in an animation.
        notes: What was ignored.
    """

    data: bytes
    chunks: dict[bytes, bytes] = field(default_factory=dict)
    color_key: tuple[int, ...] | None = None
    bits: int = 8
    frames: int = 1
    notes: list[str] = field(default_factory=list)

    @property
    def exif(self) -> bytes | None:
        """The EXIF data."""
        return self.chunks.get(b"eXIf")

    def profile(self) -> bytes | None:
        """Return the color profile: the embedded one, or one made from what the file says; None for sRGB."""
        if b"iCCP" in self.chunks:
            profile = self._embedded_profile()
            if profile is not None:
                return profile
        if b"cICP" in self.chunks:
            primaries, transfer, matrix, full_range = self.chunks[b"cICP"]
            if matrix != 0 or full_range != 1:
                self.notes.append("the color profile was not applied: its values are not RGB in full range")
                return None
            return profile_of_code_points(primaries, transfer, self.notes)
        if b"sRGB" in self.chunks:
            return None
        gamma, corners = self.chunks.get(b"gAMA"), self.chunks.get(b"cHRM")
        return profile_of_gamma(
            None if gamma is None else int.from_bytes(gamma) / 100_000,
            None if corners is None else [int.from_bytes(corners[at : at + 4]) / 100_000 for at in range(0, 32, 4)],
            self.notes,
        )

    def _embedded_profile(self) -> bytes | None:
        name, _, packed = self.chunks[b"iCCP"].partition(b"\0")
        unpacking = zlib.decompressobj()
        try:
            profile = unpacking.decompress(packed[1:], MOST_PROFILE_BYTES + 1)
        except zlib.error:
            profile = b""
        if len(profile) > MOST_PROFILE_BYTES:
            self.notes.append(f"the color profile was ignored: it has more than {MOST_PROFILE_BYTES:,} bytes")
        elif not 1 <= len(name) < 80 or packed[:1] != b"\0" or not unpacking.eof:
            self.notes.append("the color profile was ignored: it cannot be unpacked")
        else:
            return profile
        return None


def png_of(data: bytes) -> Png:
    """Read a PNG file without decoding a pixel. Damage of critical chunks is left for the decoder to find."""
    png, parts, damaged = Png(data), _Parts(), dict[bytes, None]()
    view = memoryview(data)
    kept = [view[:_SIGNATURE_BYTES]]
    for name, start, end in chunks_of(data):
        content = b"" if name == b"IDAT" else data[start + 8 : end - 4]
        is_intact = not name[:1].islower() or _is_intact(data, start, end)
        if not _is_ancillary(name, is_intact=is_intact):
            if parts.takes(name, content):
                kept.append(view[start:end])
        elif not is_intact or not parts.allows(name, content):
            damaged[name] = None
        elif name not in png.chunks and (not parts.pixels_begun or name in _AFTER_PIXELS_TOO):
            png.chunks[name] = content if name in _USED else b""
            if name == b"tRNS":
                kept.append(view[start:end])
    png.data, png.bits = b"".join(kept), parts.bits
    png.frames, png.color_key = _frames(png), _color_key(png, parts)
    if damaged:
        names = ", ".join(name.decode() for name in list(damaged)[:_MOST_NAMES])
        png.notes.append(f"damaged chunks that the image does not need were ignored: {names}")
    return png


@dataclass
class _Parts:
    """The critical chunks so far, by which ancillary ones are judged."""

    bits: int = 8
    color_type: int = -1
    entries: int = 0
    pixels_begun: bool = False
    pixels_ended: bool = False

    def takes(self, name: bytes, content: bytes) -> bool:
        """Return whether the decoder gets a critical chunk."""
        if name == b"IHDR" and len(content) == _HEADER_BYTES:
            self.bits, self.color_type = content[8], content[9]
        elif name == b"PLTE":
            self.entries = len(content) // 3
        elif name == b"IDAT":
            self.pixels_begun = True
            # Without the chunks between them, two runs would look like one.
            return not self.pixels_ended
        self.pixels_ended |= self.pixels_begun
        return True

    def allows(self, name: bytes, content: bytes) -> bool:
        """Return whether an ancillary chunk has a right length."""
        self.pixels_ended |= self.pixels_begun
        if name != b"tRNS":
            return len(content) == _LENGTHS.get(name, len(content))
        if self.color_type == _INDEXED:
            return 1 <= len(content) <= self.entries
        return len(content) == _COLOR_KEY_BYTES.get(self.color_type)


def _is_ancillary(name: bytes, *, is_intact: bool) -> bool:
    # A critical chunk with a damaged name is not ancillary.
    return name.isalpha() and name[:1].islower() and (is_intact or name.upper() not in _CRITICAL)


def _is_intact(data: bytes, start: int, end: int) -> bool:
    return end <= len(data) and zlib.crc32(memoryview(data)[start + 4 : end - 4]) == int.from_bytes(data[end - 4 : end])


def chunks_of(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """List the chunks as name, start, and end; the last one may exceed the file."""
    at = _SIGNATURE_BYTES
    for _ in range(MOST_PARTS):
        if at + 8 > len(data):
            return
        name, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4])
        yield name, at, end
        if name == b"IEND":
            return
        at = end


def _frames(png: Png) -> int:
    frames = int.from_bytes(png.chunks.get(b"acTL", b"")[:4])
    if not 1 <= frames <= _MOST_FRAMES:
        return 1
    return frames if b"fcTL" in png.chunks else frames + 1  # the first image can be outside of the animation


def _color_key(png: Png, parts: _Parts) -> tuple[int, ...] | None:
    key = png.chunks.get(b"tRNS")
    if key is None or parts.color_type not in _COLOR_KEY_BYTES:
        return None
    # PNG specification, section 11.3.1.1: only the lower bits count.
    return tuple(int.from_bytes(key[at : at + 2]) & ((1 << parts.bits) - 1) for at in range(0, len(key), 2))
