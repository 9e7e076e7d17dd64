"""Where the cells of a sheet are: numbers only, so that a sheet that is too large is reported before the run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imagemake.images.formats import FORMATS

if TYPE_CHECKING:
    from imagemake.config.outputs import Sheet

LINE = 1.6  # height of a caption's line, in heights of its letters


def most_side_px(sheet: Sheet) -> int:
    """Return the longest side that the sheet's format allows."""
    return FORMATS[sheet.format].max_side_px


def caption_height_px(sheet: Sheet) -> int:
    """Return the space below each image."""
    return 0 if sheet.caption is None else math.ceil(LINE * sheet.caption_px)


def n_columns(n: int, sheet: Sheet) -> int:
    """Return how many cells a row has; at most one per image."""
    if sheet.columns is not None:
        return min(n, sheet.columns)
    cell_height_px = sheet.cell_height_px + caption_height_px(sheet)
    return min(n, math.ceil(math.sqrt(n * cell_height_px / sheet.cell_width_px)))


def size_px(n: int, sheet: Sheet) -> tuple[int, int]:
    """Return width and height of a sheet of n images."""
    columns = n_columns(n, sheet)
    rows = -(-n // columns)
    cell_height_px = sheet.cell_height_px + caption_height_px(sheet)
    return (
        columns * sheet.cell_width_px + (columns + 1) * sheet.gap_px,
        rows * cell_height_px + (rows + 1) * sheet.gap_px,
    )


def cell_px(index: int, n: int, sheet: Sheet) -> tuple[int, int]:
    """Return the upper left corner of a cell; cells are counted row by row."""
    row, column = divmod(index, n_columns(n, sheet))
    return (
        sheet.gap_px + column * (sheet.cell_width_px + sheet.gap_px),
        sheet.gap_px + row * (sheet.cell_height_px + caption_height_px(sheet) + sheet.gap_px),
    )
