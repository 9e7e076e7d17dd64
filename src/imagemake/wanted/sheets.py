"""Sheets: one picture with all pictures of a group, and where each of them is on it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator

from imagemake.wanted.config_problems import mistake
from imagemake.wanted.settings import MAIN, ColumnName, Section, TemplateText

_SUFFIXES = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
_WHITE = "#ffffff"


class Sheet(Section):
    """A sprite sheet or contact sheet of each group, made of the accepted pictures in the order of their names."""

    by: Annotated[tuple[ColumnName, ...], Strict(False)] = Field(
        (),
        description="Columns or variables: pictures that agree in all of them are a group, with a sheet of its own. "
        "Empty: one sheet of all.",
        examples=[["product"]],
    )
    output: str = Field(
        MAIN, description="Which files of the pictures are shown: main, or a label of postprocess.more_outputs."
    )
    columns: int | None = Field(
        None, ge=1, le=1000, description="Cells in a row, a whole number; null is what makes the sheet about square."
    )
    cell_width_px: int = Field(
        256, ge=8, le=8192, description="Width of a cell, in pixels. Pictures are shrunk to fit, and never enlarged."
    )
    cell_height_px: int = Field(256, ge=8, le=8192, description="Height of a cell without its caption, in pixels.")
    gap_px: int = Field(0, ge=0, le=1024, description="Room between the cells and around them all, in pixels.")
    background: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = Field(
        None, description="Color behind the pictures, as #rrggbb; null is transparent, and white in JPEG."
    )
    caption: TemplateText | None = Field(
        None,
        description="Text below each picture; {name} is its name, columns and variables as in prompt. What is too long "
        "is cut. Letters of Latin scripts only: others are drawn as boxes. Null: none.",
        examples=["{name}"],
    )
    caption_px: int = Field(14, ge=6, le=200, description="Height of the caption's letters, in pixels.")
    format: Literal["jpeg", "png", "webp"] = Field("png", description="File format: jpeg (.jpg), png, or webp.")
    quality: int = Field(90, ge=1, le=100, description="Quality of JPEG and WebP, 1 to 100; PNG has none.")
    name: TemplateText | None = Field(
        None,
        description="File name, without extension: {sheet} is the sheet's label; columns of `by` can be used. Null: "
        "the label, and the values of `by` after dashes.",
        examples=["{sheet}-{product}"],
    )

    @model_validator(mode="after")
    def _can_be_transparent(self) -> Sheet:
        if self.caption is not None and self.background is None and self.format != "jpeg":
            raise mistake(
                "captions on a transparent sheet are not seen everywhere.", "Give it a background: '#ffffff'."
            )
        return self

    @property
    def suffix(self) -> str:
        """What the files' names end in, with its dot."""
        return _SUFFIXES[self.format]

    @property
    def template(self) -> str:
        """How files are named."""
        return self.name or "-".join(["{sheet}", *(f"{{{column}}}" for column in self.by)])

    @property
    def ground(self) -> str | None:
        """The color behind the pictures; None for transparency."""
        return self.background or (_WHITE if self.format == "jpeg" else None)
