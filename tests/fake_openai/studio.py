"""Images for calls: ordinary ones from cached bands, and special ones for rules."""

from __future__ import annotations

import base64
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from fake_openai.chance import digest
from fake_openai.drawing import BANDS, Pixels, band_height_px, band_heights_px, draw_band
from fake_openai.encoding import (
    ADLER_MODULUS,
    Band,
    encode,
    encode_jpeg_band,
    encode_png_band,
    join_jpeg,
    join_png,
    jpeg_quality,
    png_chunk,
)
from fake_openai.settings import Behavior

# Files up to this size are encoded from pixels, which is cheap.
SMALL_PX = 256 * 256
POOLS_KEPT = 6
BOMB_EDGE_PX = 40_000

Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True)
class Spec:
    """Properties of an image file."""

    width_px: int
    height_px: int
    output_format: str = "png"
    compression: int = 100
    transparent: bool = False

    @property
    def is_small(self) -> bool:
        """Whether it is cheap to encode."""
        return self.width_px * self.height_px <= SMALL_PX


class Studio:
    """Draws images, and caches their bands.

    Args:
        pool_size: Bands of each kind to choose from; at 1024x1024 a band takes about 0.3 MB.
    """

    def __init__(self, pool_size: int) -> None:
        self._pool_size = pool_size
        self._pools: OrderedDict[object, dict[tuple[int, int], Any]] = OrderedDict()

    def prepare(self, spec: Spec) -> None:
        """Draw all bands for such images in advance."""
        for variant in range(self._pool_size):
            self._bands(spec, [variant] * BANDS)

    def image(self, spec: Spec, identity: bytes, comment: str) -> list[bytes]:
        """Create an ordinary image.

        Args:
            spec: Properties of the file.
            identity: 32 bytes. Equal ones give equal pixels, different ones unrelated pixels.
            comment: ASCII text that makes the file unique.

        Returns:
            The file in base64, in pieces.
        """
        if spec.is_small or spec.output_format == "webp":
            pixels = self._pixels(spec, identity)
            return [base64.b64encode(encode(pixels, spec.output_format, spec.compression, comment))]
        bands = self._bands(spec, self._variants(identity))
        if spec.output_format == "jpeg":
            return join_jpeg(bands, spec.width_px, spec.height_px, band_height_px(spec.height_px), comment)
        return join_png(bands, spec.width_px, spec.height_px, 4 if spec.transparent else 3, comment)

    def _bands(self, spec: Spec, variants: list[int]) -> list[Band]:
        def make(height_px: int, variant: int) -> Band:
            pixels = draw_band(spec.width_px, height_px, variant, spec.transparent)
            if spec.output_format == "png":
                return encode_png_band(pixels)
            return encode_jpeg_band(pixels, jpeg_quality(spec.compression))

        return self._from_pool(spec, make, spec.height_px, variants)

    def _pixels(self, spec: Spec, identity: bytes) -> Pixels:
        def make(height_px: int, variant: int) -> Pixels:
            return draw_band(spec.width_px, height_px, variant, spec.transparent)

        pool = ("pixels", spec.width_px, spec.height_px, spec.transparent)
        return np.vstack(self._from_pool(pool, make, spec.height_px, self._variants(identity)))

    def _variants(self, identity: bytes) -> list[int]:
        return [int.from_bytes(identity[4 * i : 4 * i + 4], "big") % self._pool_size for i in range(BANDS)]

    def _from_pool(
        self, name: object, make: Callable[[int, int], Kept], height_px: int, variants: list[int]
    ) -> list[Kept]:
        pool = self._pools.setdefault(name, {})
        self._pools.move_to_end(name)
        if len(self._pools) > POOLS_KEPT:
            self._pools.popitem(last=False)
        # A band fits anywhere. Only the lowest one is of another kind, if its height differs.
        wanted = list(zip(band_heights_px(height_px), variants, strict=False))
        for kind in wanted:
            if kind not in pool:
                pool[kind] = make(*kind)
        return [pool[kind] for kind in wanted]

    def special_image(
        self, behavior: Behavior, spec: Spec, identity: bytes, comment: str, size: str | None
    ) -> list[bytes]:
        """Create the special image of a rule. Arguments and result are as in `image`, plus `size` for `wrong_size`."""
        match behavior:
            case Behavior.SAME:
                return self.image(spec, digest("the one image"), comment)
            case Behavior.WRONG_SIZE:
                width, height = map(int, size.split("x")) if size else (-(-spec.width_px // 2), -(-spec.height_px // 2))
                return self.image(replace(spec, width_px=width, height_px=height), identity, comment)
            case Behavior.WRONG_FORMAT:
                other = "jpeg" if spec.output_format == "png" else "png"
                return self.image(replace(spec, output_format=other, transparent=False), identity, comment)
            case Behavior.TRUNCATED:
                whole = base64.b64decode(b"".join(self.image(spec, identity, comment)))
                return [base64.b64encode(whole[: len(whole) * 6 // 10])]
            case Behavior.GARBAGE:
                return [base64.b64encode(np.random.default_rng(list(identity)).bytes(20_000))]
            case Behavior.EMPTY:
                return []
            case Behavior.BOMB:
                return [base64.b64encode(_bomb(comment))]
            case Behavior.BLANK | Behavior.LOW_CONTRAST:
                pixels = _dulled(self._pixels(spec, identity), behavior)
                return [base64.b64encode(encode(pixels, spec.output_format, spec.compression, comment))]
            case _:
                return self.image(spec, identity, comment)


def _dulled(pixels: Pixels, behavior: Behavior) -> Pixels:
    dull = pixels.copy()
    dull[..., 3:] = 255
    dull[..., :3] = 250 if behavior is Behavior.BLANK else 126 + pixels[..., :3] // 43  # 126 to 131
    return dull


def _bomb_rows() -> bytes:
    rows = bytes(1000 * (1 + BOMB_EDGE_PX // 8))
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = deflate.compress(rows) + deflate.flush(zlib.Z_FULL_FLUSH)  # can follow itself
    pieces = BOMB_EDGE_PX // 1000
    adler = len(rows) * pieces % ADLER_MODULUS << 16 | 1  # of zeros only
    return b"\x78\x01" + piece * pieces + b"\x03\x00" + adler.to_bytes(4, "big")


def _bomb(comment: str) -> bytes:
    """Return a valid PNG of 1.6 billion black pixels, one bit each: 200 MB of rows in 200 KB."""
    size = BOMB_EDGE_PX.to_bytes(4, "big")
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", size + size + b"\x01\x00\x00\x00\x00"),
            png_chunk(b"tEXt", b"Comment\x00" + comment.encode("ascii")),
            png_chunk(b"IDAT", _bomb_rows()),
            png_chunk(b"IEND", b""),
        )
    )
