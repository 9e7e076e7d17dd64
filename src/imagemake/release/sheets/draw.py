"""Draws sheets: images in cells, each with a caption."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from imagemake.plan.requests.sheet_layout import LINE, caption_height_px, cell_px, size_px

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from imagemake.config.outputs import Sheet

_MOST_CHARACTERS = 300  # more than fits into any cell, and shortening takes time
_DARK, _LIGHT = "#202024", "#f4f4f6"


class Cell(NamedTuple):
    """The place of an image on a sheet, in pixels."""

    left: int
    top: int
    width: int
    height: int


class Member(NamedTuple):
    """An image to draw, already scaled down.

    Attributes:
        image: RGB or RGBA.
        caption: Text below the image.
    """

    image: Image
    caption: str


def fitted(data: bytes, sheet: Sheet) -> Image:
    """Decode a finished image and scale it down to a sheet's cell.

    Raises:
        ValueError: If it cannot be decoded.
    """
    from PIL import Image as Pillow

    box_px = sheet.cell_width_px, sheet.cell_height_px
    try:
        image: Image = Pillow.open(BytesIO(data))
        image.draft("RGB", (2 * box_px[0], 2 * box_px[1]))  # JPEG: decodes only the size that is needed
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    except (OSError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise ValueError(f"it cannot be decoded: {error}") from error
    scale = min(1.0, *(most / side for most, side in zip(box_px, image.size, strict=True)))
    if scale == 1.0:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Pillow.Resampling.LANCZOS)


def draw_sheet(members: Iterable[Member | None], n: int, sheet: Sheet) -> tuple[Image, list[Cell | None]]:
    """Draw a sheet; equal arguments give equal pixels.

    Args:
        members: The images in order, taken one at a time. None leaves a cell empty.
        n: Number of members.
        sheet: Settings of the sheet.

    Returns:
        The sheet, RGB with a background and RGBA without, and the place of each image.
    """
    from PIL import Image as Pillow

    ground = sheet.ground
    image = (
        Pillow.new("RGBA", size_px(n, sheet), (0, 0, 0, 0))
        if ground is None
        else Pillow.new("RGB", size_px(n, sheet), ground)
    )
    return image, list(_drawn(image, members, n, sheet))


def _drawn(image: Image, members: Iterable[Member | None], n: int, sheet: Sheet) -> Iterator[Cell | None]:
    for index, member in enumerate(members):
        if member is None:
            yield None
            continue
        left, top = cell_px(index, n, sheet)
        small = member.image
        at = left + (sheet.cell_width_px - small.width) // 2, top + (sheet.cell_height_px - small.height) // 2
        mask = small if small.mode == "RGBA" and image.mode == "RGB" else None
        image.paste(small, at, mask)
        if member.caption:
            _write(image, member.caption, (left, top + sheet.cell_height_px), sheet)
        yield Cell(*at, *small.size)


def _write(image: Image, text: str, at: tuple[int, int], sheet: Sheet) -> None:
    from PIL import ImageDraw
    from PIL.ImageFont import load_default

    font = load_default(sheet.caption_px)
    shown = _cut(" ".join(text.split())[:_MOST_CHARACTERS], sheet.cell_width_px, font)
    middle = at[0] + sheet.cell_width_px / 2, at[1] + caption_height_px(sheet) * (LINE + 1) / (2 * LINE) / 1.1
    ImageDraw.Draw(image).text(middle, shown, _ink(sheet.ground), font, "ms")


def _cut(text: str, room_px: float, font: FreeTypeFont | ImageFont) -> str:
    if font.getlength(text) <= room_px:
        return text
    least, most = 0, len(text)
    while least < most:
        middle = (least + most + 1) // 2
        fits = font.getlength(text[:middle] + "…") <= room_px
        least, most = (middle, most) if fits else (least, middle - 1)
    return text[:least].rstrip() + "…" if least else ""


def _ink(ground: str | None) -> str:
    red, green, blue = (int((ground or "#ffffff")[place : place + 2], 16) for place in (1, 3, 5))
    return _DARK if 0.299 * red + 0.587 * green + 0.114 * blue >= 128 else _LIGHT  # Rec. 601
