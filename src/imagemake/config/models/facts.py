"""The facts about a model: an entry in models.toml, or in a campaign's section `models`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from imagemake.plugins.providers import ReferenceForm, SizeForm

Usd = Annotated[Decimal, Field(ge=0)]
Pixels = Annotated[int, Field(ge=1)]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SizeRule(_Facts):
    """Sizes that a model accepts in addition to those listed in sizes."""

    multiple_px: Pixels = Field(1, description="Both edges are multiples of this, in pixels.")
    min_edge_px: Pixels | None = Field(None, description="Shortest edge, in pixels.")
    max_edge_px: Pixels | None = Field(None, description="Longest edge, in pixels.")
    max_ratio: float | None = Field(None, ge=1, description="Largest ratio of the long edge to the short one.")
    min_pixels: Pixels | None = Field(None, description="Fewest pixels in all.")
    max_pixels: Pixels | None = Field(None, description="Most pixels in all.")


class ParameterRule(_Facts):
    """The values that a parameter accepts; an empty rule accepts any."""

    one_of: tuple[str, ...] | None = Field(None, description="Accepted values.")
    min: float | None = Field(None, description="Smallest number.")
    max: float | None = Field(None, description="Largest number.")
    references: bool | None = Field(
        None,
        description="true: accepted only with reference images. false: only without. Null: both.",
    )

    def right_values(self, value: Any) -> str | None:
        """Return the valid values in words; None if the value is valid."""
        if self.one_of is not None:
            return None if value in self.one_of else " or ".join(self.one_of)
        if self.min is None and self.max is None:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and (self.min is None or value >= self.min) and (self.max is None or value <= self.max):
            return None
        bounds = {"at least": self.min, "at most": self.max}
        return "a number of " + " and ".join(f"{text} {bound:g}" for text, bound in bounds.items() if bound is not None)


class TokenPrices(_Facts):
    """USD per million tokens, by kind of token."""

    text_in: Usd = Field(description="Prompt, USD per million tokens.")
    image_in: Usd = Field(description="Reference images, USD per million tokens.")
    image_out: Usd = Field(description="Generated image, USD per million tokens.")
    text_out: Usd | None = Field(
        None,
        description="Generated text, USD per million tokens. Null: the price of image_out.",
    )


class Prices(_Facts):
    """The price of a model, per token, per image, or per hour of a GPU. Without any, the price is unknown."""

    as_of: date = Field(description="Date when these prices were valid.")
    usd_per_million_tokens: TokenPrices | None = Field(None, description="Prices of a model that bills tokens.")
    usd_per_image: Usd | None = Field(None, description="Price of a model that bills images, in USD per image.")
    usd_per_gpu_hour: Usd | None = Field(
        None,
        description="Price of one hour of a GPU of your own, in USD: its rent, or its power and wear. An image costs "
        "the time that it keeps the GPU busy.",
    )
    gpus: int = Field(1, ge=1, description="GPUs of the model's server, for usd_per_gpu_hour.")
    batch_share: Usd = Field(
        Decimal(1), le=1, description="Price of a request in a batch, as a share of the full price, 0 to 1."
    )

    @model_validator(mode="after")
    def _one_way_to_pay(self) -> Self:
        ways = ("usd_per_million_tokens", "usd_per_image", "usd_per_gpu_hour")
        if sum(getattr(self, way) is not None for way in ways) > 1:
            raise ValueError(f"give only one of {', '.join(ways)}")
        return self


class OutputTokens(_Facts):
    """The tokens per image, by a grid or a table. Without either, the number is unknown."""

    grid: Mapping[str, Annotated[int, Field(ge=1)]] | None = Field(
        None, description="Patches along the long edge, by quality. The tokens follow from them and the size."
    )
    table: Mapping[str, Mapping[str, Annotated[int, Field(ge=0)]]] | None = Field(
        None,
        description="Tokens by size, then by quality. A size is WIDTHxHEIGHT, @2K for every ratio of that tier, or @ "
        "for ratios without a tier.",
    )

    @model_validator(mode="after")
    def _one_way_to_count(self) -> Self:
        if self.grid is not None and self.table is not None:
            raise ValueError("give grid or table, not both")
        return self


class ModelFacts(_Facts):
    """The facts about a model. A missing fact is unknown and not checked."""

    like: str | None = Field(None, description="Model of the same provider that supplies all facts missing here.")
    sizes: tuple[str, ...] | None = Field(
        None,
        description="Accepted sizes: WIDTHxHEIGHT in pixels, a ratio such as 3:2 or 3:2@2K, or auto.",
    )
    size_rule: SizeRule | None = Field(None, description="Other accepted sizes.")
    batch_edit_sizes: tuple[str, ...] | None = Field(
        None,
        description="Accepted sizes of requests with reference images in a batch. Null: as one by one.",
    )
    parameters: Mapping[str, ParameterRule | None] | None = Field(
        None,
        description="Accepted parameters besides size, with their values: {one_of: [low, high]}, {min: 0, max: 9}, or "
        "{} for any. Null removes one that like supplies.",
    )
    negative_prompt: bool | None = Field(None, description="Whether the model accepts a negative prompt.")
    seed_field: str | None = Field(
        None,
        description="Name of the request's field for the seed. Null: the server takes none, so another seed is another "
        "draw. <tag>: the seed is sent in the prompt, in a tag of this name.",
        examples=["seed"],
    )
    determinism: Literal["unseeded", "seeded", "batch-invariant", "fixed"] | None = Field(
        None,
        description="What a repeated request gives. unseeded: another image each time. seeded: the same image for the "
        "same seed. batch-invariant: the same, whatever else the server makes at that time. fixed: the same image, and "
        "no request can change its seed.",
    )
    size_form: SizeForm | None = Field(
        None,
        description="How the API wants the size: size (size: 1024x1536), width_height (two fields), or aspect_ratio "
        "(aspect_ratio and resolution).",
    )
    negative_field: str | None = Field(
        None,
        description="Name of the request's field for the negative prompt, negative_prompt by default; |: it follows "
        "the prompt after this sign.",
    )
    always_sent: Mapping[str, Any] | None = Field(
        None,
        description="Fields that every request has, unless parameters sets them.",
        examples=[{"response_format": "b64_json"}],
    )
    max_prompt_characters: int | None = Field(None, ge=1, description="Longest prompt, in characters.")
    max_reference_images: int | None = Field(None, ge=0, description="Most reference images per request.")
    reference_form: ReferenceForm | None = Field(
        None,
        description="How the API wants reference images, for servers with OpenAI's API. files: in a form, as OpenAI; "
        "urls: as data URLs in image; object: as a data URL in image.url of JSON edits; reference_images: as a list of "
        "data URLs in reference_images.",
    )
    reference_note: str | None = Field(
        None, description="What is unknown of reference images, for the error about more than max_reference_images."
    )
    max_reference_bytes: int | None = Field(None, ge=1, description="Largest reference image, in bytes.")
    reference_formats: tuple[Literal["png", "jpeg", "webp"], ...] | None = Field(
        None, description="File formats of reference images: png, jpeg, webp."
    )
    mask: bool | None = Field(
        None,
        description="Whether the model accepts a mask: a PNG with transparency, of the size of the first reference "
        "image.",
    )
    max_mask_bytes: int | None = Field(None, ge=1, description="Largest mask, in bytes.")
    content_credentials: bool | None = Field(
        None, description="Whether the provider signs the model's images with content credentials (C2PA)."
    )
    prices: Prices | None = Field(None, description="Prices.")
    output_tokens: OutputTokens | None = Field(None, description="Tokens per image.")
    max_usd_per_image: Usd | None = Field(
        None,
        description="Largest cost per image in USD, if tokens or prices do not give it, as with reference images. The "
        "budget reserves it for each call in flight.",
    )
    retires_on: date | None = Field(None, description="Date of its shutdown.")
    use_instead: tuple[str, ...] = Field((), description="Replacements that the provider names.")
