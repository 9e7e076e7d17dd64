"""Decodes an image file, applies steps, and encodes the finished file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

from imagemake.core.errors import ImagemakeError
from imagemake.core.host_errors import is_refusal
from imagemake.images.decoded import Undecodable, decode_image
from imagemake.images.formats import FORMATS, FormatName

if TYPE_CHECKING:
    from PIL.Image import Image

    from imagemake.plugins.steps import Step

FULL_COLOR_FROM_QUALITY = 90
MIN_QUALITY = 20  # below, blocks are obvious
AVIF_SPEED = 6  # 0 to 10; 8 takes a third of the time for files that are a third larger
MAX_SAID = 200  # characters to keep of an unexpected exception's message
Z_RLE = 3  # from zlib.h; Python's zlib has no name for it


class EncodeSettings(Protocol):
    """How to encode finished images."""

    @property
    def format(self) -> FormatName:
        """The file format."""

    @property
    def quality(self) -> int:
        """Quality from 1 to 100, for JPEG, WebP and AVIF."""

    @property
    def max_kb(self) -> int | None:
        """Maximum file size in units of 1,000 bytes, for JPEG, WebP and AVIF; None for no limit."""

    @property
    def background(self) -> str:
        """Color that replaces transparency in formats without it (JPEG), such as #ffffff."""


class PostprocessError(ImagemakeError):
    """An image cannot be postprocessed.

    Attributes:
        reason: The reason, for users.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def postprocess(data: bytes, steps: Sequence[Step], output: EncodeSettings) -> bytes:
    """Decode an image, apply the steps, and encode it.

    Args:
        data: Image file as the provider sent it.
        steps: Steps in order.
        output: How to encode the image.

    Returns:
        The file, without metadata of the input. Equal inputs give equal bytes.

    Raises:
        PostprocessError: If the data is not a valid image, a step fails, or the format does not support the image.
    """
    image = opened(data)
    for step in steps:
        image = applied(step, image)
    return encoded(image, output)


def opened(data: bytes) -> Image:
    """Decode an image; errors as in `postprocess`."""
    try:
        return decode_image(data).pil
    except Undecodable as error:
        raise PostprocessError(error.reason) from error


def applied(step: Step, image: Image) -> Image:
    """Apply a step to an image; errors as in `postprocess`."""
    with _reason_of(_name_of(step)):
        return step.apply(image)


def encoded(image: Image, output: EncodeSettings) -> bytes:
    """Encode an image; errors as in `postprocess`."""
    with _reason_of():
        return encode(image, output)


@contextmanager
def _reason_of(step: str = "") -> Iterator[None]:
    # Steps are plug-ins and run on untrusted images. Any exception fails only this image, not the rest of the batch.
    try:
        yield
    except Exception as error:
        if is_refusal(error):  # such as a full disk
            raise
        said = " ".join(str(error).split())
        if not isinstance(error, ValueError):
            said = f"{type(error).__name__}: {said[:MAX_SAID]}" if said else type(error).__name__
        raise PostprocessError(f"{step}: {said}" if step else said) from error


def _name_of(step: Step) -> str:
    """Return the name of a step in the configuration, such as ``remove_background``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(step).__name__).lstrip("_")


def encode(image: Image, output: EncodeSettings) -> bytes:
    """Encode an image without metadata. Without a color profile, programs treat its colors as sRGB.

    Args:
        image: RGB or RGBA image with 8 bits per channel, sRGB.
        output: How to encode the image.

    Raises:
        ValueError: If the image is too large for the format, or for `EncodeSettings.max_kb` at any quality.
    """
    if output.max_kb is None or not FORMATS[output.format].has_quality:
        return _encoded(image, output, output.quality)
    return _within(image, output, 1000 * output.max_kb)


def _within(image: Image, output: EncodeSettings, max_bytes: int) -> bytes:
    """Encode an image with the highest quality at which the file is small enough."""
    data = _encoded(image, output, output.quality)
    if len(data) <= max_bytes:
        return data
    low, high, best = MIN_QUALITY, output.quality - 1, b""
    while low <= high:
        middle = (low + high) // 2
        data = _encoded(image, output, middle)
        if len(data) <= max_bytes:
            low, best = middle + 1, data
        else:
            high = middle - 1
    if not best:
        raise ValueError(
            f"the {output.format} of {image.width} x {image.height} px has more than {max_bytes:,} bytes even at "
            f"quality {MIN_QUALITY}: resize it"
        )
    return best


def _encoded(image: Image, output: EncodeSettings, quality: int) -> bytes:
    bare = image if FORMATS[output.format].has_alpha else _flattened(image, output.background)
    if bare.info:  # Pillow would write some of it, such as the color profile, comment, and resolution
        bare = bare.copy()
        bare.info = {}
    file = BytesIO()
    try:
        bare.save(file, output.format.upper(), **_ENCODERS[output.format](quality))
    except (OSError, ValueError) as error:
        raise ValueError(f"{image.width} x {image.height} px cannot be written as {output.format}: {error}") from error
    return file.getvalue()


def _jpeg(quality: int) -> dict[str, Any]:
    return {"quality": quality, "subsampling": _subsampling(quality)}


def _png(_: int) -> dict[str, Any]:
    # Run-length encoding: a photograph of 1024x1024 has 1.4 MB in 0.13 s; level 6 takes 0.5 s for the same size.
    return {"compress_level": 1, "compress_type": Z_RLE}


def _webp(quality: int) -> dict[str, Any]:
    # Files from method 2 are 2 % larger than from the default 4, in half of the time.
    return {"quality": quality, "method": 2}


def _avif(quality: int) -> dict[str, Any]:
    # One thread and fixed tiles, because the bytes depend on the number of threads.
    options = {"speed": AVIF_SPEED, "max_threads": 1, "autotiling": False}
    return {"quality": quality, "subsampling": _subsampling(quality), **options}


def _subsampling(quality: int) -> str:
    # 4:4:4 from quality 90 up, like ImageMagick: halved color resolution is visible at saturated edges.
    return "4:4:4" if quality >= FULL_COLOR_FROM_QUALITY else "4:2:0"


# Pillow's options by format; each function takes the quality.
_ENCODERS: dict[FormatName, Callable[[int], dict[str, Any]]] = {
    "jpeg": _jpeg,
    "png": _png,
    "webp": _webp,
    "avif": _avif,
}


def _flattened(image: Image, background: str) -> Image:
    from PIL import Image as Pillow

    if image.mode != "RGBA":
        return image
    flat = Pillow.new("RGB", image.size, background)
    flat.paste(image, mask=image)
    return flat
