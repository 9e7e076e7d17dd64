"""How accepted images are finished: steps, and the files that come out of them."""

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
    """A sprite sheet or contact sheet of each group, made of the accepted images in the order of their names."""

    by: Annotated[tuple[ColumnName, ...], Strict(False)] = Field(
        (),
        description="Columns or variables: images that agree in all of them are a group, with a sheet of its own. "
        "Empty: one sheet of all.",
        examples=[["product"]],
    )
    output: str = Field(
        MAIN, description="Which files of the images are shown: main, or a label of postprocess.more_outputs."
    )
    columns: int | None = Field(
        None, ge=1, le=1000, description="Cells in a row, a whole number; null is what makes the sheet about square."
    )
    cell_width_px: int = Field(
        256, ge=8, le=8192, description="Width of a cell, in pixels. Images are shrunk to fit, and never enlarged."
    )
    cell_height_px: int = Field(256, ge=8, le=8192, description="Height of a cell without its caption, in pixels.")
    gap_px: int = Field(0, ge=0, le=1024, description="Room between the cells and around them all, in pixels.")
    background: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = Field(
        None, description="Color behind the images, as #rrggbb; null is transparent, and white in JPEG."
    )
    caption: TemplateText | None = Field(
        None,
        description="Text below each image; {name} is its name, columns and variables as in prompt. What is too long "
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
        if self.caption is not None and self.background is None and FORMATS[self.format].has_alpha:
            raise mistake(
                "captions on a transparent sheet are not seen everywhere.", "Give it a background: '#ffffff'."
            )
        return self

    @property
    def suffix(self) -> str:
        """What the files' names end in, with its dot."""
        return FORMATS[self.format].suffix

    @property
    def template(self) -> str:
        """How files are named."""
        return self.name or "-".join(["{sheet}", *(f"{{{column}}}" for column in self.by)])

    @property
    def ground(self) -> str | None:
        """The color behind the images; None for transparency."""
        return self.background or (None if FORMATS[self.format].has_alpha else _WHITE)


_LABEL = r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}"
_FIRST_OF_ENCODING = ("format", "quality", "max_kb", "background")  # part of every finished image's key


def _label(label: str) -> str:
    if not re.fullmatch(_LABEL, label):
        raise mistake(
            f"{label[:80]!r} is no label.", "Take at most 40 letters a to z, digits, _ and -, a letter or digit first."
        )
    return label


def _output_label(label: str) -> str:
    if label == MAIN:
        raise mistake(f"{MAIN!r} is the output that postprocess.output describes.", "Choose another label.")
    return label


Label = Annotated[str, AfterValidator(_label), WithJsonSchema({"type": "string", "pattern": f"^{_LABEL}$"})]
OutputLabel = Annotated[Label, AfterValidator(_output_label)]


class Output(Section):
    """The files of a release."""

    steps: Annotated[tuple[Step, ...], Strict(False)] = Field(
        (), description="Further steps for this output alone, after those of `postprocess.steps`."
    )
    format: FormatName = Field("jpeg", description="File format of finished images: jpeg (.jpg), png, webp, or avif.")
    quality: int = Field(90, ge=1, le=100, description="Quality of JPEG, WebP and AVIF, 1 to 100; PNG has none.")
    max_kb: int | None = Field(
        None,
        ge=1,
        description="Largest file, in units of 1,000 bytes, for JPEG, WebP and AVIF: the quality is lowered from "
        "`quality` as far as it takes, and an image that is still too large is not released.",
    )
    background: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = Field(
        "#ffffff", description="What transparency becomes in JPEG, which has none: a color as #rrggbb."
    )
    name: TemplateText = Field(
        "{name}",
        description="File name, without extension. {name} is the image's own name, {output} the label of the output "
        "(main for this one), {take} the take; columns and variables as in prompt. What no file system likes becomes a "
        "dash. No two files can share a name.",
        examples=["{name}-1600"],
    )

    @model_validator(mode="after")
    def _can_be_smaller(self) -> Output:
        if self.max_kb is not None and not FORMATS[self.format].has_quality:
            raise mistake("PNG has no quality that could be lowered.", "Take max_kb out, or choose jpeg, webp or avif.")
        return self

    @property
    def suffix(self) -> str:
        """What the files' names end in, with its dot."""
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
    """One more file of each image."""

    name: TemplateText = Field(
        "{name}-{output}",
        description="File name, without extension, as in `postprocess.output.name`.",
        examples=["{name}-400"],
    )
    from_raw: bool = Field(
        False,
        description="true: the steps here begin with the image as the provider made it, and not with what "
        "`postprocess.steps` made of it.",
    )


class Postprocess(Section):
    """How accepted images are finished. Changing this costs no call to a provider."""

    steps: Annotated[tuple[Step, ...], Strict(False)] = Field(
        (),
        description="Steps in their order, each one a key with its settings. They are made once per image, whatever "
        "the number of outputs.",
        examples=[[{"resize": {"width_px": 800}}]],
    )
    output: Output = Field(default_factory=Output, description="The files of a release.")
    more_outputs: Mapping[OutputLabel, FurtherOutput] = Field(
        default_factory=dict,
        description="Further files of each image, by a label of your own, such as a thumbnail beside the large one. "
        "Changing one finishes only its files anew. An image is released once all of its files are there.",
        examples=[{"web": {"steps": [{"resize": {"width_px": 400}}], "format": "webp", "quality": 80}}],
    )

    sheets: Mapping[Label, Sheet] = Field(
        default_factory=dict,
        description="Sprite sheets or contact sheets, by a label of your own: one image a group, in `sheets/` of the "
        "release, with a JSON that says where each image is on it. One is drawn again when an image on it changed; "
        "this finishes no image anew.",
        examples=[{"sprites": {"by": ["product"], "cell_width_px": 128, "cell_height_px": 128}}],
    )

    def outputs(self) -> dict[str, Output]:
        """Return all outputs by their labels, the main one first."""
        return {MAIN: self.output, **self.more_outputs}

    def steps_by_place(self) -> dict[str, ChosenPlugin]:
        """Return every step by where the configuration has it: ``postprocess.output.steps[0]``."""
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
