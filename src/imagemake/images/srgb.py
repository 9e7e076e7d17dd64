"""Converts any decoded image to 8-bit sRGB, so that every measure and step gets the same kind of pixels."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

from imagemake.images.icc import MOST_PROFILE_BYTES

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsTransform

# Usual names of sRGB. Converting from sRGB to sRGB takes 26 ms at 1024x1024 and changes nothing.
_SRGB_NAMES = {"sRGB", "sRGB IEC61966-2.1", "sRGB built-in", "GIMP built-in sRGB", "sRGB2014", "c2"}


def to_srgb(image: Image, profile: bytes | None, notes: list[str]) -> Image:
    """Convert to 8 bits per channel in sRGB.

    Args:
        image: Decoded by Pillow from PNG, JPEG, WebP, or AVIF, with mode 1, L, LA, I;16, P, RGB, RGBA, or CMYK.
        profile: The embedded ICC profile; None if the pixels already count as sRGB. CMYK without a profile is
            converted by the simple formula 255 - ink - black. An unusable profile is ignored.
        notes: Receives the reason if the profile is ignored.

    Returns:
        RGBA if at least one pixel is not opaque, otherwise RGB; without metadata.
    """
    image = _eight_bits(image)
    if profile is not None:
        image = _convert_by_profile(image, profile, notes)
    if image.mode in ("LA", "RGBA"):
        least_alpha, _ = image.getchannel("A").getextrema()
        mode = "RGB" if least_alpha == 255 else "RGBA"
    else:
        mode = "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    plain = image._new(image.im)  # the same pixels, which a copy takes 1 ms for, in no file and without metadata
    plain.info = {}
    return plain


def _eight_bits(image: Image) -> Image:
    # Returns only the modes L, LA, RGB, RGBA, and CMYK.
    if image.mode.startswith("I;16"):
        return _from_sixteen_bits(image)
    has_transparency = "transparency" in image.info
    if image.mode == "P":
        return image.convert("RGBA" if has_transparency else "RGB")
    if image.mode in ("1", "L"):
        return image.convert("LA" if has_transparency else "L")
    if image.mode == "RGB" and has_transparency:
        return image.convert("RGBA")
    return image


def _from_sixteen_bits(image: Image) -> Image:
    # Pillow's conversion clips at 255 of 65,535. This keeps the upper byte, as its decoder does for 16-bit RGB.
    import numpy as np
    from PIL import Image as Pillow

    values = np.asarray(image)
    gray = Pillow.fromarray((values >> 8).astype(np.uint8))
    if "transparency" in image.info:
        opaque = values != image.info["transparency"]
        gray.putalpha(Pillow.fromarray(opaque.astype(np.uint8) * np.uint8(255)))
    return gray


def _convert_by_profile(image: Image, profile: bytes, notes: list[str]) -> Image:
    from PIL import ImageCms

    has_alpha = image.mode in ("LA", "RGBA")
    opaque = image.convert(image.mode[:-1]) if has_alpha else image
    try:
        transform = _transform(profile, opaque.mode)
        if transform is None:
            return image
        # A gray image can have an RGB profile.
        converted = ImageCms.applyTransform(opaque.convert(transform.inputMode), transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        notes.append(f"the color profile was ignored: {error}")
        return image
    assert converted is not None  # None only for a conversion in place
    if has_alpha:
        converted.putalpha(image.getchannel("A"))
    return converted


@lru_cache(maxsize=4)  # images of one provider share a profile, and building a transform takes up to 30 ms
def _transform(profile: bytes, mode: str) -> ImageCmsTransform | None:
    from PIL import ImageCms

    if len(profile) > MOST_PROFILE_BYTES:
        raise ValueError(f"it has {len(profile):,} bytes, more than {MOST_PROFILE_BYTES:,}")
    opened = ImageCms.ImageCmsProfile(BytesIO(profile))
    space = opened.profile.xcolor_space.strip()
    taken_modes = {"RGB": ("RGB", "L"), "GRAY": ("L",), "CMYK": ("CMYK",)}.get(space, ())
    if mode not in taken_modes:
        raise ValueError(f"it is for {space!r} colors, but the image has {mode}")
    if space == "RGB" and ImageCms.getProfileDescription(opened).strip() in _SRGB_NAMES:
        return None
    # The default of image editors: white stays white, and black stays black.
    return ImageCms.buildTransform(
        opened,
        ImageCms.createProfile("sRGB"),
        inMode=taken_modes[0],
        outMode="RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
