"""Files that providers should not send. Each must become an image or a failure with a reason."""

from __future__ import annotations

import struct
from functools import cache

import numpy as np
from image_files import GRAY, PALETTE, RGB, chunk, png, profile, saved
from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")
# Files that cannot be decoded. All others become images.
UNREADABLE = {
    "nothing",
    "palette of nothing",
    "larger bomb",
    "text",
    "GIF animation",
    *(f"truncated {name}" for name in FORMATS),
    *(f"header of {name} only" for name in FORMATS),
}


@cache
def hostile_files() -> dict[str, bytes]:
    """Return the files by what is wrong with them."""
    good = {name: saved(_noise(), name) for name in FORMATS}
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    several = {"save_all": True, "append_images": frames[1:]}
    sixteen = png(2, 1, 16, RGB, [struct.pack(">6H", 65_535, 0, 0, 0, 0, 65_535)])
    palette = chunk(b"PLTE", bytes(6)) + chunk(b"tRNS", bytes([0, 128]))
    broken_xmp = b"<x:xmpmeta \xff\xfe not closed" + b"A" * 2000
    return {
        "nothing": b"",
        "bomb": png(39_000, 1_000, 1, GRAY, [bytes(4_875)] * 1_000),
        "larger bomb": png(50_000, 1_000, 1, GRAY, [bytes(6_250)] * 1_000),
        **{f"truncated {name}": data[: len(data) // 2] for name, data in good.items()},
        **{f"header of {name} only": data[:40] for name, data in good.items()},
        **{f"{name} and more": data + b"PK\3\4" + bytes(1000) for name, data in good.items()},
        "WebP animation": saved(frames[0], "WEBP", **several),
        "PNG animation": saved(frames[0], "PNG", **several),
        "GIF animation": saved(frames[0], "GIF", **several),
        "JPEG of two frames": saved(frames[0], "MPO", **several),
        "strip": png(1, 20_000, 8, GRAY, [b"\x80"] * 20_000),
        "lying strip": png(20_000, 1, 8, GRAY, [b"\x80" * 20_000]),
        "one pixel": png(1, 1, 8, GRAY, [b"\x80"]),
        "ink": saved(Image.new("CMYK", (9, 9)), "JPEG"),
        "ink with a profile for light": saved(Image.new("CMYK", (9, 9)), "JPEG", icc_profile=profile("RGB", 1.0)),
        "sixteen bits": sixteen,
        "palette": png(2, 1, 8, PALETTE, [b"\0\1"], palette),
        "palette of nothing": png(2, 1, 8, PALETTE, [b"\0\1"]),
        **{f"broken profile in {name}": saved(_noise(), name, icc_profile=b"no profile") for name in FORMATS},
        "broken exif": saved(_noise(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"),
        **{f"broken XMP in {name}": saved(_noise(), name, xmp=broken_xmp) for name in ("JPEG", "WEBP")},
        "broken XMP in PNG": png(1, 1, 8, GRAY, [b"\x80"], chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + broken_xmp)),
        "text": b"<html>502 Bad Gateway</html>",
    }


def _noise() -> Image.Image:
    random = np.random.default_rng(4)
    return Image.fromarray(random.integers(0, 256, (40, 60, 3), dtype=np.uint8))
