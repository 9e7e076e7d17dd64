"""Any decoded image as 8-bit RGB or RGBA in sRGB, so that every measure and step sees the same kind of pixels."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsTransform

# Large press profiles have 3 MB. More is no profile, but something to keep LittleCMS busy with.
MOST_PROFILE_BYTES = 8_000_000

# Converting from sRGB to sRGB takes 26 ms at 1024x1024 and changes nothing; these names are sRGB's usual ones.
_SRGB_NAMES = {"sRGB", "sRGB IEC61966-2.1", "sRGB built-in", "GIMP built-in sRGB", "sRGB2014", "c2"}


def to_srgb(image: Image, profile: bytes | None, notes: list[str]) -> Image:
    """Convert to 8 bits per channel in sRGB.

    Args:
        image: Decoded by Pillow from PNG, JPEG, WebP or AVIF: of mode 1, L, LA, I;16, P, RGB, RGBA or CMYK.
        profile: The embedded ICC profile; None where the pixels count as sRGB already. CMYK without a profile is
            converted by the plain formula, 255 - ink - black. A profile that cannot be used is ignored.
        notes: Takes the reason if the profile is ignored.

    Returns:
        RGBA where at least one pixel is not opaque, otherwise RGB; without any metadata.
    """
    image = _eight_bits(image)
    if profile is not None:
        image = _convert_by_profile(image, profile, notes)
    if image.mode in ("LA", "RGBA"):
        least_alpha, _ = image.getchannel("A").getextrema()
        mode = "RGB" if least_alpha == 255 else "RGBA"
    else:
        mode = "RGB"
    plain = image.copy() if image.mode == mode else image.convert(mode)
    plain.info = {}
    return plain


def _eight_bits(image: Image) -> Image:
    # Of the modes that come in, only L, LA, RGB, RGBA and CMYK go out.
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
    # Pillow's own conversion clips at 255 of 65,535. The upper byte is what its decoder keeps of 16-bit RGB too.
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
        # A gray image may carry an RGB profile.
        converted = ImageCms.applyTransform(opaque.convert(transform.inputMode), transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        notes.append(f"the color profile was ignored: {error}")
        return image
    assert converted is not None  # only None where the conversion is done in place
    if has_alpha:
        converted.putalpha(image.getchannel("A"))
    return converted


@lru_cache(maxsize=4)  # the images of one provider carry the same profile, and building a transform takes up to 30 ms
def _transform(profile: bytes, mode: str) -> ImageCmsTransform | None:
    from PIL import ImageCms

    if len(profile) > MOST_PROFILE_BYTES:
        raise ValueError(f"it has {len(profile):,} bytes, more than {MOST_PROFILE_BYTES:,}")
    opened = ImageCms.ImageCmsProfile(BytesIO(profile))
    space = opened.profile.xcolor_space.strip()
    taken_modes = {"RGB": ("RGB", "L"), "GRAY": ("L",), "CMYK": ("CMYK",)}.get(space, ())
    if mode not in taken_modes:
        raise ValueError(f"it is for {space!r} colors, and the image has {mode}")
    if space == "RGB" and ImageCms.getProfileDescription(opened).strip() in _SRGB_NAMES:
        return None
    # What image editors use by default: white stays white, black stays black.
    return ImageCms.buildTransform(
        opened,
        ImageCms.createProfile("sRGB"),
        inMode=taken_modes[0],
        outMode="RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
