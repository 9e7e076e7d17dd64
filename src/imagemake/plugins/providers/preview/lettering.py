"""The caption of a drawing, and the mark that says what it is."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from imagemake.images.color_words import RGB, WHITE, luminance, mixed
from imagemake.plugins.providers.preview.scene import Scene

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

MARKS = ("PREVIEW · not AI", "not AI")  # the longest that fits
SMALLEST_TYPE_PX = 9
LEAST_WIDTH_PX = 200  # for a caption


def letter(image: Image, scene: Scene) -> None:
    """Write the mark at the lower right, and the caption at the lower left, cut to the remaining space.

    An image below about 40 pixels gets no mark, because it would be illegible.
    """
    from PIL import ImageDraw

    width, height = image.size
    size_px = max(SMALLEST_TYPE_PX, round(min(width, height) * 0.02))
    margin_px = max(2, round(min(width, height) * 0.03))
    room_px = width - 2 * margin_px
    mark, mark_px = _mark(size_px, room_px)
    if not mark or height < 2 * size_px:
        return
    font = _font(size_px)
    texts = {width - margin_px - mark_px: mark}
    if "caption" not in scene.left_out and width >= LEAST_WIDTH_PX:
        texts[margin_px] = _cut(scene.caption, room_px - mark_px - 3 * size_px, font)
    ink, ground = _inks(scene)
    pen = ImageDraw.Draw(image)
    for x, text in texts.items():
        at = (x, height - margin_px)
        if text and scene.close_up and ground is not None:  # the product may be behind it
            left, top, right, bottom = pen.textbbox(at, text, font, "ls")
            pad = size_px * 0.4
            pen.rounded_rectangle((left - pad, top - pad, right + pad, bottom + pad), pad, ground)
        pen.text(at, text, ink, font, "ls")


def _cut(text: str, room_px: float, font: FreeTypeFont | ImageFont) -> str:
    if font.getlength(text) <= room_px:
        return text
    while text and font.getlength(text + "…") > room_px:
        text = text[:-1].rstrip(" ·")
    return text + "…" if len(text) > 3 else ""


def _inks(scene: Scene) -> tuple[RGB, RGB | None]:
    if scene.background is None:
        return (120, 120, 120), None
    dark = luminance(scene.background) < 128
    return mixed(scene.background, WHITE if dark else (40, 40, 44), 0.62), scene.background


@cache
def _mark(size_px: int, room_px: int) -> tuple[str, float]:
    widths_px = {mark: _font(size_px).getlength(mark) for mark in MARKS}
    return next(((mark, width_px) for mark, width_px in widths_px.items() if width_px <= room_px), ("", 0.0))


@cache
def _font(size_px: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size_px)
