"""Draws the images in docs/reference/steps/: photographs before and after each step.

    python bench/step_images.py

The first run downloads the wheels that have the photographs to work/bench. docs/reference/steps.md says who took them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labeled import photographs
from PIL import Image, ImageDraw

from imagemake.plugins.steps import step_class

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference" / "steps"
HEIGHT_PX, GAP_PX, QUALITY = 200, 8, 80
WARM = (1.0, 0.93, 0.78)  # the light of a lamp: factors of red, green, and blue

# By name of the file: the photograph, and the settings of each image after the first.
SHOWN: Mapping[str, tuple[str, list[tuple[str, Mapping[str, Any]]]]] = {
    "crop": ("rocket", [("crop", {"ratio": "1:1"}), ("crop", {"ratio": "1:1", "gravity": "smart"})]),
    "crop-subject": ("flower", [("crop", {"subject": {"margin_percent": 8}})]),
    "pad": ("coffee", [("pad", {"ratio": "1:1", "color": "#f2ede6"})]),
    "white-balance": ("warm china", [("color", {"white_balance": {"by": "gray_world"}})]),
    "color": ("china", [("color", {"auto_levels_clip_percent": 0.5, "saturation": 1.2})]),
    "sharpen": ("soft chelsea", [("sharpen", {"percent": 120})]),
    "remove-background": (
        "flower",
        [("remove_background", {}), ("remove_background", {"color": "#ffffff"})],
    ),
    "doubtful": ("rocket", [("remove_background", {})]),
    "shadow": ("coffee", [("remove_background", {}), ("remove_background", {"color": "#ffffff", "shadow": 0.6})]),
    "overlay": ("china", [("overlay", {"file": "docs/contact-sheet.png", "width_percent": 24})]),
    "frame": ("chelsea", [("frame", {"width_percent": 4, "color": "#ffffff", "radius_percent": 8})]),
    "upscale": ("small chelsea", [("upscale", {"factor": 4})]),
}


def main() -> None:
    """Write the images."""
    FOLDER.mkdir(exist_ok=True)
    known = known_photographs()
    total = 0
    for name, (photograph, steps) in SHOWN.items():
        before = known[photograph]
        images = [before, *(after(before, step, settings) for step, settings in steps)]
        path = FOLDER / f"{name}.webp"
        side_by_side(images).save(path, quality=QUALITY, method=6)
        total += path.stat().st_size
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")
    print(f"{total / 1000:.0f} kB in all")


def known_photographs() -> dict[str, Image.Image]:
    """Return the photographs, and some that were made worse on purpose."""
    found = photographs()
    small = found["chelsea"].crop((110, 40, 310, 220)).resize((50, 45), Image.Resampling.BICUBIC)
    return {
        **found,
        "warm china": found["china"].point([round(level * part) for part in WARM for level in range(256)]),
        "soft chelsea": found["chelsea"].reduce(2).resize(found["chelsea"].size, Image.Resampling.BICUBIC),
        "small chelsea": small,
    }


def after(image: Image.Image, name: str, settings: Mapping[str, Any]) -> Image.Image:
    """Apply a step."""
    kind = step_class(name)
    return kind(kind.Settings.model_validate(settings)).apply(image)


def side_by_side(images: list[Image.Image]) -> Image.Image:
    """Put images beside each other at one height, transparent ones on a checkerboard."""
    shown = [on_squares(image.resize((round(image.width * HEIGHT_PX / image.height), HEIGHT_PX))) for image in images]
    strip = Image.new("RGB", (sum(one.width + GAP_PX for one in shown) - GAP_PX, HEIGHT_PX), "#d8d8d8")
    left = 0
    for one in shown:
        strip.paste(one, (left, 0))
        left += one.width + GAP_PX
    return strip


def on_squares(image: Image.Image) -> Image.Image:
    """Return the image on gray squares, where it is transparent."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    board = Image.new("RGB", image.size, "white")
    draw = ImageDraw.Draw(board)
    for top in range(0, image.height, 10):
        for left in range(top // 10 % 2 * 10, image.width, 20):
            draw.rectangle((left, top, left + 9, top + 9), fill="#cccccc")
    board.paste(image, mask=image)
    return board


if __name__ == "__main__":
    main()
