"""What can be said about a model: the form of an entry in models.toml and of the section `models` of a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Usd = Annotated[Decimal, Field(ge=0)]
Pixels = Annotated[int, Field(ge=1)]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SizeRule(_Facts):
    """Which sizes a model takes beyond those that it names."""

    multiple_px: Pixels = Field(1, description="Both edges divide by this many pixels.")
    min_edge_px: Pixels | None = Field(None, description="Shortest edge, in pixels.")
    max_edge_px: Pixels | None = Field(None, description="Longest edge, in pixels.")
    max_ratio: float | None = Field(None, ge=1, description="Largest ratio of the long edge to the short one.")
    min_pixels: Pixels | None = Field(None, description="Fewest pixels in all.")
    max_pixels: Pixels | None = Field(None, description="Most pixels in all.")


class ParameterRule(_Facts):
    """Which values a parameter takes; without an entry, any."""

    one_of: tuple[str, ...] | None = Field(None, description="The values there are.")
    min: float | None = Field(None, description="Smallest number.")
    max: float | None = Field(None, description="Largest number.")
    references: bool | None = Field(
        None,
        description="true: taken only beside reference images; false: only without; not given: taken either way.",
    )


class TokenPrices(_Facts):
    """USD per million tokens, by what the tokens stand for."""

    text_in: Usd = Field(description="Prompt, USD per million tokens.")
    image_in: Usd = Field(description="Reference images, USD per million tokens.")
    image_out: Usd = Field(description="The image made, USD per million tokens.")
    text_out: Usd | None = Field(
        None,
        description="Text made beside the image, USD per million tokens; not given: it costs what images cost.",
    )


class Prices(_Facts):
    """What a model costs: by tokens or by images; neither means that it is not known."""

    as_of: date = Field(description="Day on which these prices were right.")
    usd_per_million_tokens: TokenPrices | None = Field(None, description="Prices of a model that is paid by tokens.")
    usd_per_image: Usd | None = Field(None, description="USD per image, for a model that is paid by images.")
    batch_share: Usd = Field(
        Decimal(1), le=1, description="Share of the price that a request in a batch costs, 0 to 1."
    )

    @model_validator(mode="after")
    def _one_way_to_pay(self) -> Self:
        if self.usd_per_million_tokens is not None and self.usd_per_image is not None:
            raise ValueError("give usd_per_million_tokens or usd_per_image, not both")
        return self


class OutputTokens(_Facts):
    """How many tokens per image is: by a grid or a table; neither means that it is not known."""

    grid: Mapping[str, Annotated[int, Field(ge=1)]] | None = Field(
        None, description="Patches along the long edge, by quality; the tokens follow from them and the size."
    )
    table: Mapping[str, Mapping[str, Annotated[int, Field(ge=0)]]] | None = Field(
        None, description="Tokens by size (WIDTHxHEIGHT), then by quality."
    )

    @model_validator(mode="after")
    def _one_way_to_count(self) -> Self:
        if self.grid is not None and self.table is not None:
            raise ValueError("give grid or table, not both")
        return self


class ModelFacts(_Facts):
    """What is known about a model; what is not given is not known, and not checked."""

    like: str | None = Field(None, description="Model of the same provider that has every fact not given here.")
    sizes: tuple[str, ...] | None = Field(None, description="Sizes by name: WIDTHxHEIGHT in pixels, or auto.")
    size_rule: SizeRule | None = Field(None, description="Other sizes that are taken.")
    parameters: Mapping[str, ParameterRule | None] | None = Field(
        None,
        description="Parameters taken besides size, each with its values: {one_of: [low, high]}, {min: 0, max: 9}, "
        "or {} for any; null where it is not taken. Joined by name with those of like.",
    )
    negative_prompt: bool | None = Field(None, description="Whether it takes a negative prompt.")
    honors_seed: bool | None = Field(None, description="Whether an equal seed gives an equal image.")
    max_prompt_characters: int | None = Field(None, ge=1, description="Longest prompt, in characters.")
    max_reference_images: int | None = Field(None, ge=0, description="Most reference images a request.")
    max_reference_bytes: int | None = Field(None, ge=1, description="Largest file of a reference image, in bytes.")
    reference_formats: tuple[Literal["png", "jpeg", "webp"], ...] | None = Field(
        None, description="File formats of reference images: png, jpeg, webp."
    )
    mask: bool | None = Field(
        None,
        description="Whether it takes a mask: a PNG with transparency, as large as the first reference image.",
    )
    max_mask_bytes: int | None = Field(None, ge=1, description="Largest file of a mask, in bytes.")
    prices: Prices | None = Field(None, description="What it costs.")
    output_tokens: OutputTokens | None = Field(None, description="How many tokens per image is.")
    max_usd_per_image: Usd | None = Field(
        None,
        description="Most that one image can cost, in USD, where tokens or prices do not tell, as with reference "
        "images: what a budget sets aside for each call in flight.",
    )
    retires_on: date | None = Field(None, description="First day on which it does not answer any more.")
    use_instead: tuple[str, ...] = Field((), description="Models that its provider names as replacements.")
