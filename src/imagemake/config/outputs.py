"""The section `postprocess`: steps, and the files that they produce."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Strict, WithJsonSchema, model_validator

from imagemake.config.chosen_plugins import ChosenPlugin, Step
from imagemake.config.fields import MAIN, ColumnName, Section, TemplateText
from imagemake.core.mistakes import mistake
from imagemake.images.formats import FORMATS, FormatName

_WHITE = "#ffffff"


class Sheet(Section):
    """A sprite sheet or contact sheet per group, with the accepted images in the order of their names."""

    by: Annotated[tuple[ColumnName, ...], Strict(False)] = Field(
        (),
        description="Columns or variables: images with the same values form a group, with one sheet per group. Empty: "
        "one sheet for all.",
        examples=[["product"]],
    )
    output: str = Field(
        MAIN, description="Which file of each image to show: main, or a label of postprocess.more_outputs."
    )
    columns: int | None = Field(
        None, ge=1, le=1000, description="Cells per row, a whole number. Null: as many as make the sheet about square."
    )
    cell_width_px: int = Field(
        256, ge=8, le=8192, description="Width of a cell in pixels. Images are shrunk to fit, never enlarged."
    )
    cell_height_px: int = Field(256, ge=8, le=8192, description="Height of a cell without its caption, in pixels.")
    gap_px: int = Field(0, ge=0, le=1024, description="Space between and around the cells, in pixels.")
    background: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = Field(
        None, description="Color behind the images, as #rrggbb. Null: transparent, or white in JPEG."
    )
    caption: TemplateText | None = Field(
        None,
        description="Text below each image: {name}, and columns and variables as in prompt. Long text is cut. Only "
        "Latin letters are supported; others appear as boxes. Null: no caption.",
        examples=["{name}"],
    )
    caption_px: int = Field(14, ge=6, le=200, description="Font size of the caption, in pixels.")
    format: Literal["jpeg", "png", "webp"] = Field("png", description="File format: jpeg (.jpg), png, or webp.")
    quality: int = Field(90, ge=1, le=100, description="Quality of JPEG and WebP, 1 to 100. PNG ignores it.")
    name: TemplateText | None = Field(
        None,
        description="File name, without extension: {sheet} is the sheet's label, and the columns in by are available. "
        "Null: the label, then the values of by, joined by dashes.",
        examples=["{sheet}-{product}"],
    )

    @model_validator(mode="after")
    def _can_be_transparent(self) -> Sheet:
        if self.caption is not None and self.background is None and FORMATS[self.format].has_alpha:
            raise mistake("captions may be invisible on a transparent sheet.", "Set its background: '#ffffff'.")
        return self

    @property
    def suffix(self) -> str:
        """The extension of the files, with its dot."""
        return FORMATS[self.format].suffix

    @property
    def template(self) -> str:
        """The template of file names."""
        return self.name or "-".join(["{sheet}", *(f"{{{column}}}" for column in self.by)])

    @property
    def ground(self) -> str | None:
        """The color behind the images; None for transparency."""
        return self.background or (None if FORMATS[self.format].has_alpha else _WHITE)


_LABEL = r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}"
_FIRST_OF_ENCODING = ("format", "quality", "max_kb", "background")  # part of every postprocessed file's key


def _label(label: str) -> str:
    if not re.fullmatch(_LABEL, label):
        raise mistake(
            f"{label[:80]!r} is not a valid label.",
            "Use up to 40 letters a to z, digits, _ and -; start with a letter or digit.",
        )
    return label


def _output_label(label: str) -> str:
    if label == MAIN:
        raise mistake(f"{MAIN!r} is the output that postprocess.output describes.", "Choose another label.")
    return label


Label = Annotated[str, AfterValidator(_label), WithJsonSchema({"type": "string", "pattern": f"^{_LABEL}$"})]
OutputLabel = Annotated[Label, AfterValidator(_output_label)]


class Output(Section):
    """The main file of each image."""

    steps: Annotated[tuple[Step, ...], Strict(False)] = Field(
        (), description="More steps for this output only, after postprocess.steps."
    )
    format: FormatName = Field("jpeg", description="File format: jpeg (.jpg), png, webp, or avif.")
    quality: int = Field(90, ge=1, le=100, description="Quality of JPEG, WebP, and AVIF, 1 to 100. PNG ignores it.")
    max_kb: int | None = Field(
        None,
        ge=1,
        description="Largest file size of JPEG, WebP, and AVIF, in units of 1,000 bytes. The quality is lowered as far "
        "as needed; an image that is still too large is not released.",
    )
    background: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = Field(
        "#ffffff", description="Color that replaces transparency in JPEG, as #rrggbb."
    )
    name: TemplateText = Field(
        "{name}",
        description="File name, without extension: {name} is the image's name, {output} the output's label (here "
        "main), {take} the take; columns and variables as in prompt. Characters that file systems reject become a "
        "dash. Names must be unique.",
        examples=["{name}-1600"],
    )

    @model_validator(mode="after")
    def _can_be_smaller(self) -> Output:
        if self.max_kb is not None and not FORMATS[self.format].has_quality:
            raise mistake("PNG has no quality to lower.", "Remove max_kb, or choose jpeg, webp, or avif.")
        return self

    @property
    def suffix(self) -> str:
        """The extension of the files, with its dot."""
        return FORMATS[self.format].suffix

    @property
    def encoding(self) -> dict[str, Any]:
        """How files are written, as plain data, without later fields that are not used: part of each file's key."""
        used = {
            field
            for field, about in Output.model_fields.items()
            if field in _FIRST_OF_ENCODING or getattr(self, field) != about.default
        }
        plain = self.model_dump(mode="json", include=used - {"steps", "name"})
        return {"most_kb": plain.pop("max_kb"), **plain}  # keys keep the name that it first had


class FurtherOutput(Output):
    """An additional file per image."""

    name: TemplateText = Field(
        "{name}-{output}",
        description="File name, without extension; placeholders as in postprocess.output.name.",
        examples=["{name}-400"],
    )
    from_raw: bool = Field(
        False,
        description="true: start from the provider's image. false: start from the result of postprocess.steps.",
    )


class Postprocess(Section):
    """How accepted images are postprocessed. A change here makes no call to a provider."""

    steps: Annotated[tuple[Step, ...], Strict(False)] = Field(
        (),
        description="Steps in order, each one key with its settings. They run once per image, for all outputs.",
        examples=[[{"resize": {"width_px": 800}}]],
    )
    output: Output = Field(default_factory=Output, description="The main file of each image.")
    more_outputs: Mapping[OutputLabel, FurtherOutput] = Field(
        default_factory=dict,
        description="Additional files per image, by a label of your choice, such as a thumbnail. Changing one output "
        "makes only its files again. An image is released once all its files exist.",
        examples=[{"web": {"steps": [{"resize": {"width_px": 400}}], "format": "webp", "quality": 80}}],
    )

    sheets: Mapping[Label, Sheet] = Field(
        default_factory=dict,
        description="Sprite sheets or contact sheets, by a label of your choice: one file per group in the release's "
        "sheets/, with the positions of its images as JSON. A sheet is drawn again when one of its images changes.",
        examples=[{"sprites": {"by": ["product"], "cell_width_px": 128, "cell_height_px": 128}}],
    )

    def outputs(self) -> dict[str, Output]:
        """Return all outputs by label, the main one first."""
        return {MAIN: self.output, **self.more_outputs}

    def steps_by_place(self) -> dict[str, ChosenPlugin]:
        """Return every step by its place in the configuration, such as ``postprocess.output.steps[0]``."""
        lists = {"steps": self.steps, "output.steps": self.output.steps}
        lists |= {f"more_outputs.{label}.steps": output.steps for label, output in self.more_outputs.items()}
        return {
            f"postprocess.{keys}[{place}]": step for keys, steps in lists.items() for place, step in enumerate(steps)
        }

    def steps_of(self, label: str) -> tuple[ChosenPlugin, ...]:
        """Return the steps from the raw image to the files of an output."""
        output = self.outputs()[label]
        is_apart = isinstance(output, FurtherOutput) and output.from_raw
        return output.steps if is_apart else (*self.steps, *output.steps)
