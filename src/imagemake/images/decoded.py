"""Decodes untrusted bytes once, into the views of an image that measures and steps share."""

from __future__ import annotations

import warnings
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING

from imagemake.core.errors import ImagemakeError
from imagemake.core.host_errors import is_refusal
from imagemake.images.avif import profile_of_avif, with_plain_brand, without_exif
from imagemake.images.exif import orientation_of, turned
from imagemake.images.formats import FORMATS, FormatName, end_of_image, format_of
from imagemake.images.jpeg import without_broken_segments
from imagemake.images.png import Png, png_of
from imagemake.images.png_pixels import load_png
from imagemake.images.png_unpacked import with_unpacked_pixels
from imagemake.images.srgb import to_srgb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

__all__ = ["DecodedImage", "Undecodable", "decode_image"]

# Raise it when the same bytes can give other pixels, or become decodable: every image is then measured and
# postprocessed again.
DECODER_VERSION = 2
MOST_PIXELS = 40_000_000
MOST_BYTES = 100_000_000
MOST_SIDE_PX = 65_500  # libjpeg's limit: a longer image could not be written again
SMALL_PX = 256
MIDDLE_GRAY = 128


class Undecodable(ImagemakeError):  # noqa: N818 - the word that reports show
    """Bytes that cannot be decoded.

    Attributes:
        reason: Why, in words for users; it quotes nothing from the file.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DecodedImage:
    """A decoded image. Each view is made at its first use and kept; callers must not change it.

    All views except `pil` show transparent pixels on middle gray: on white, a white mug would disappear, and the
    colors of transparent pixels are arbitrary.

    Attributes:
        pil: RGB, or RGBA if at least one pixel is not opaque; 8 bits per channel, sRGB, upright, no metadata.
        format: Format of the file: ``png``, ``jpeg``, ``webp``, or ``avif``.
        mode: Pillow's mode of the pixels in the file, such as ``CMYK`` or ``P``.
        frames: Number of images in the file; only the first is read.
        size_bytes: Length of the file.
        has_alpha: Whether the file can hold transparent pixels, even if it has none.
        notes: What was ignored in the file, in words for users: a broken profile, data after the end.
    """

    def __init__(
        self,
        pil: Image,
        *,
        file_format: str,
        mode: str,
        frames: int,
        size_bytes: int,
        has_alpha: bool,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.pil = pil
        self.format = file_format
        self.mode = mode
        self.frames = frames
        self.size_bytes = size_bytes
        self.has_alpha = has_alpha
        self.notes = notes
        self._shrunk: dict[tuple[str, int], Image] = {}

    @property
    def width_px(self) -> int:
        """Width after EXIF rotation."""
        return self.pil.width

    @property
    def height_px(self) -> int:
        """Height after EXIF rotation."""
        return self.pil.height

    @cached_property
    def luma(self) -> Image:
        """Brightness by ITU-R BT.601, 0 to 255: a Pillow image of mode L."""
        return _on_gray(self.pil).convert("L") if self.pil.mode == "RGBA" else self.pil.convert("L")

    @cached_property
    def gray(self) -> NDArray[np.uint8]:
        """`luma` as an array of shape (height_px, width_px), read-only."""
        import numpy as np

        return np.asarray(self.luma)

    @cached_property
    def small(self) -> Image:
        """RGB, shrunk by an integer factor to at most 256 px per side; each pixel is the mean of a block."""
        factor = -(-max(self.pil.size) // SMALL_PX)
        if factor == 1:
            return _on_gray(self.pil)
        return _on_gray(self.pil.reduce((min(factor, self.width_px), min(factor, self.height_px))))

    def shrunk(self, long_edge_px: int) -> Image:
        """Return RGB, shrunk to this long edge; each pixel is the mean of an area. Smaller images keep their size."""
        return self._shrunk_once("RGB", long_edge_px, self.small if long_edge_px <= SMALL_PX // 2 else None)

    def luma_shrunk(self, long_edge_px: int) -> Image:
        """Return `luma`, shrunk in the same way."""
        return self._shrunk_once("L", long_edge_px, self.luma)

    def _shrunk_once(self, mode: str, long_edge_px: int, source: Image | None) -> Image:
        if (mode, long_edge_px) not in self._shrunk:
            self._shrunk[mode, long_edge_px] = _shrunk(source or _on_gray(self.pil), long_edge_px)
        return self._shrunk[mode, long_edge_px]

    @cached_property
    def transparent_share(self) -> float:
        """Share of the pixels that are more than half transparent, 0 to 1."""
        if self.pil.mode != "RGBA":
            return 0.0
        return sum(self.pil.getchannel("A").histogram()[:128]) / (self.width_px * self.height_px)


def _on_gray(image: Image) -> Image:
    from PIL import Image as Pillow

    if image.mode == "RGB":
        return image
    canvas = Pillow.new("RGB", image.size, (MIDDLE_GRAY,) * 3)
    canvas.paste(image, mask=image)
    return canvas


def _shrunk(image: Image, long_edge_px: int) -> Image:
    from PIL.Image import Resampling

    scale = long_edge_px / max(image.size)
    if scale >= 1:
        return image
    width_px, height_px = (max(1, round(side * scale)) for side in image.size)
    # The mean of an area, as a coarser sensor would see it. With this gap, Pillow reduces integer factors fast.
    return image.resize((width_px, height_px), Resampling.BOX, reducing_gap=1.0)


def decode_image(
    data: bytes, *, most_pixels: int = MOST_PIXELS, most_bytes: int = MOST_BYTES, enough_px: int | None = None
) -> DecodedImage:
    """Decode an untrusted image file.

    Args:
        data: The whole file: PNG, JPEG, WebP, or AVIF, whatever its name.
        most_pixels: Most pixels to decode, up to Pillow's own limit of 178 million.
        most_bytes: Largest file to read, in bytes.
        enough_px: A long edge that is enough: a JPEG may be decoded at a half, a quarter, or an eighth of its size,
            which takes a fraction of the time. None for all pixels.

    Raises:
        Undecodable: If there is no image within these limits. Hostile bytes raise no other exception.
    """
    if len(data) > most_bytes:
        raise Undecodable(f"the file has {len(data):,} bytes, more than {most_bytes:,}")
    try:
        file_format = format_of(data)
        end = end_of_image(data, file_format)
    except ValueError as error:
        raise Undecodable(str(error)) from error
    # Decoders raise any exception (SyntaxError, struct.error, zlib.error, MemoryError, AttributeError, ...), and new
    # versions may add others. This is the one place that turns them into a result for this file.
    try:
        return _decode(data, file_format, end, most_pixels, enough_px)
    except Undecodable:
        raise
    except Exception as error:
        if is_refusal(error):  # such as too many open files
            raise
        raise Undecodable(_reason(error, file_format, is_whole=end is not None)) from error


def _decode(
    data: bytes, file_format: FormatName, end: int | None, most_pixels: int, enough_px: int | None
) -> DecodedImage:
    notes: list[str] = []
    png = png_of(data) if file_format == "png" else None
    # Pillow warns about broken EXIF data, which does not matter here, and about large images, which are checked.
    with warnings.catch_warnings(action="ignore"), _opened(data, file_format, png, notes) as opened:
        _check_size(opened.size, most_pixels)
        if enough_px is not None:
            opened.draft(None, _within(opened.size, enough_px))
        has_alpha = opened.has_transparency_data
        pixels = load_png(opened, png) if png else opened
        pixels.load()
        frames = png.frames if png else getattr(opened, "n_frames", 1)
        further_frames = file_format == "jpeg" and frames > 1  # MPO: whole JPEG files, one after the other
        if end is None:
            notes.append("the file has all pixels, but no end mark")
        elif end < len(data) and not further_frames:
            notes.append(f"{len(data) - end:,} bytes after the end of the image were ignored")
        profile = png.profile() if png else opened.info.get("icc_profile")
        if profile is None and file_format == "avif":
            profile = profile_of_avif(data, notes)
        notes += png.notes if png else ()
        return DecodedImage(
            _upright(to_srgb(pixels, profile, notes), png.exif if png else opened.info.get("exif"), notes),
            file_format=file_format,
            mode=opened.mode,
            frames=frames,
            size_bytes=len(data),
            has_alpha=has_alpha,
            notes=tuple(notes),
        )


def _opened(data: bytes, file_format: FormatName, png: Png | None, notes: list[str]) -> ImageFile:
    """Open the file without what keeps Pillow from reading the image, although the image does not need it."""
    from PIL import Image as Pillow

    if file_format != "avif":
        source = (
            with_unpacked_pixels(png.data)
            if png
            else without_broken_segments(data, notes)
            if file_format == "jpeg"
            else data
        )
        return Pillow.open(BytesIO(source), formats=(file_format.upper(),))
    source = with_plain_brand(data)
    try:
        return Pillow.open(BytesIO(source), formats=("AVIF",))
    except Exception:
        bare = without_exif(source)
        if bare == source:
            raise
        notes.append("the EXIF data was ignored because it is unreadable")
        return Pillow.open(BytesIO(bare), formats=("AVIF",))


def _within(size: tuple[int, int], long_edge_px: int) -> tuple[int, int]:
    width_px, height_px = (max(1, side * long_edge_px // max(size)) for side in size)
    return width_px, height_px


def _check_size(size: tuple[int, int], most_pixels: int) -> None:
    width_px, height_px = size
    if min(size) < 1:
        raise Undecodable(f"the image is empty: {width_px} x {height_px} px")
    if max(size) > MOST_SIDE_PX:
        raise Undecodable(f"the image is {width_px} x {height_px} px; the longest allowed side is {MOST_SIDE_PX:,} px")
    if width_px * height_px > most_pixels:
        raise Undecodable(f"the image is {width_px} x {height_px} px, more than {most_pixels:,} pixels")


def _upright(image: Image, exif: bytes | None, notes: list[str]) -> Image:
    try:
        orientation = orientation_of(exif)
    except Exception:  # comes from hostile bytes, but the image does not need it
        notes.append("the EXIF data was ignored because it is unreadable")
        return image
    return turned(image, orientation)


def _reason(error: Exception, file_format: FormatName, *, is_whole: bool) -> str:
    from PIL import UnidentifiedImageError
    from PIL.Image import DecompressionBombError

    name = FORMATS[file_format].label
    message = str(error).lower()
    if isinstance(error, DecompressionBombError):
        return f"the {name} file would unpack to more pixels than Pillow allows"
    if isinstance(error, MemoryError):
        return f"the {name} file needs more memory than is available"
    if not is_whole or isinstance(error, EOFError) or "truncated" in message:
        return f"the {name} file is cut off before the end of the image"
    if isinstance(error, UnidentifiedImageError):
        return f"the {name} file is damaged: its header cannot be read"
    return f"the {name} file is damaged: its pixels cannot be read ({type(error).__name__})"
