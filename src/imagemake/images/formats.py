"""The image formats: one row per format, the source of suffixes, media types, limits, and readers.

A new format is a row here, an encoder in `imagemake.stages.postprocess.encode`, and a metadata container in
`imagemake.images.metadata`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from imagemake.images.ends import end_of_avif, end_of_jpeg, end_of_png, end_of_webp

FormatName = Literal["jpeg", "png", "webp", "avif"]  # as configuration, manifest, and provider parameters write it


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """Facts about one format.

    Attributes:
        label: Name in sentences, such as ``JPEG``.
        extension: Extension of its files, without the dot.
        media_type: Media type as registered with IANA.
        matches: Returns whether a file has the signature of this format.
        find_end: Finds where the image in a file ends; see `imagemake.images.ends`.
        max_side_px: Longest side that its encoder can write.
        has_alpha: Whether it can hold transparent pixels.
        has_quality: Whether its encoder takes a quality, and can therefore aim at a file size.
        is_reference: Whether providers accept it as a reference image.
    """

    label: str
    extension: str
    media_type: str
    matches: Callable[[bytes], bool]
    find_end: Callable[[bytes], int | None]
    max_side_px: int
    has_alpha: bool = True
    has_quality: bool = True
    is_reference: bool = True

    @property
    def suffix(self) -> str:
        """The extension with its dot."""
        return f".{self.extension}"


def _starts(begin: bytes, then: bytes = b"", position: int = 0) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(begin) and data.startswith(then, position)


def _is_avif(data: bytes) -> bool:
    # The `ftyp` box: length, name, major brand, version, compatible brands.
    if data[4:8] != b"ftyp":
        return False
    box = data[: int.from_bytes(data[:4])]
    compatible = (box[at : at + 4] for at in range(16, min(len(box), 16 + 4 * _MOST_BRANDS), 4))
    return data[8:12] == b"avif" or (data[8:12] in _GENERAL_BRANDS and b"avif" in compatible)


_GENERAL_BRANDS = (b"mif1", b"miaf", b"MA1A", b"MA1B")  # of HEIF and of AV1's profiles: they do not name the codec
_MOST_BRANDS = 100


FORMATS: dict[FormatName, ImageFormat] = {
    # 65,500 px: libjpeg's JPEG_MAX_DIMENSION.
    "jpeg": ImageFormat("JPEG", "jpg", "image/jpeg", _starts(b"\xff\xd8\xff"), end_of_jpeg, 65_500, has_alpha=False),
    # 1,000,000 px: libpng's PNG_USER_WIDTH_MAX.
    "png": ImageFormat(
        "PNG", "png", "image/png", _starts(b"\x89PNG\r\n\x1a\n"), end_of_png, 1_000_000, has_quality=False
    ),
    # 16,383 px: libwebp's WEBP_MAX_DIMENSION.
    "webp": ImageFormat("WebP", "webp", "image/webp", _starts(b"RIFF", b"WEBP", 8), end_of_webp, 16_383),
    # 65,536 px: the AV1 specification, section 5.5.1.
    "avif": ImageFormat("AVIF", "avif", "image/avif", _is_avif, end_of_avif, 65_536, is_reference=False),
}
assert tuple(FORMATS) == get_args(FormatName)

# Formats that users give by mistake, so that the reason can name them: (bytes, position, name).
_OTHERS = (
    (b"GIF8", 0, "a GIF"),
    (b"ftypavis", 4, "an AVIF animation"),
    (b"ftyphei", 4, "a HEIC"),
    (b"ftypmif1", 4, "a HEIF"),
    (b"BM", 0, "a BMP"),
    (b"II*\0", 0, "a TIFF"),
    (b"MM\0*", 0, "a TIFF"),
    (b"%PDF", 0, "a PDF"),
    (b"PK\3\4", 0, "a ZIP"),
    (b"\x1f\x8b", 0, "a gzip"),
    (b"ftyp", 4, "a video"),
)
# Formats that the store keeps, although imagemake does not read them: (bytes, position, extension).
_STORED = ((b"GIF8", 0, "gif"), (b"ftypavis", 4, "avif"))


def in_words(conjunction: str = "or", *, references: bool = False) -> str:
    """Join the labels of all formats, or only of reference formats, for a sentence: ``JPEG, PNG, or WebP``."""
    *first, last = [one.label for one in FORMATS.values() if one.is_reference or not references]
    return f"{', '.join(first)}, {conjunction} {last}"


def format_of(data: bytes) -> FormatName:
    """Return the format of a file by its first bytes.

    Raises:
        ValueError: If it is not one of `FORMATS`; the message names the format if it is known.
    """
    if not data:
        raise ValueError("the file is empty")
    for name, one in FORMATS.items():
        if one.matches(data):
            return name
    for signature, position, name_of_other in _OTHERS:
        if data.startswith(signature, position):
            raise ValueError(f"it is {name_of_other} file, but only {in_words('and')} are supported")
    if data.lstrip()[:1] in (b"<", b"{", b"["):
        raise ValueError(f"it is text such as HTML, SVG, or JSON, not a {in_words()} file")
    raise ValueError(f"it is not a {in_words()} file")


def end_of_image(data: bytes, file_format: FormatName) -> int | None:
    """Find where the image in a file ends.

    Args:
        data: The whole file.
        file_format: What `format_of` returned.

    Returns:
        The number of bytes up to the end of the image; None if the file ends first.

    Raises:
        ValueError: If a part is damaged, or there are so many parts that decoding would take too long.
    """
    return FORMATS[file_format].find_end(data)


def extension_of(data: bytes) -> str:
    """Return the extension of a file by its first bytes, without the dot; ``bin`` if the format is unknown."""
    known = next((one.extension for one in FORMATS.values() if one.matches(data)), None)
    return known or next((name for begin, position, name in _STORED if data.startswith(begin, position)), "bin")


def media_type_of(extension: str) -> str | None:
    """Return the media type of an image file by its extension, without the dot; None for other files."""
    return next((one.media_type for one in FORMATS.values() if one.extension == extension), None)
