"""The models, their capabilities, and their prices and token counts, as published or reported in November 2026."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import ceil

THREE_SIZES = ("1024x1024", "1024x1536", "1536x1024")
THREE_QUALITIES = ("low", "medium", "high")
FIVE_QUALITIES = (*THREE_QUALITIES, "xhigh", "max")
STEPS = {"low": 16, "medium": 48, "high": 96}
# ASSUME: reported by third parties only; OpenAI has not published this for 2.5 and 2.6.
NEW_STEPS = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}
OLD_OUTPUT_TOKENS = {
    "low": {"1024x1024": 272, "1024x1536": 408, "1536x1024": 400},
    "medium": {"1024x1024": 1056, "1024x1536": 1584, "1536x1024": 1568},
    "high": {"1024x1024": 4160, "1024x1536": 6240, "1536x1024": 6208},
}
PARTIAL_IMAGE_TOKENS = 100
BATCH_DISCOUNT = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the API.

    Attributes:
        name: Name in requests.
        text_in_usd: Price of a million text tokens of input; the other two are of images going in and coming out.
        created: Unix time, in seconds.
        shutdown: First day without the model; None if not announced.
        any_size: Whether it accepts sizes other than the three.
        qualities: Accepted values besides auto.
        complexity: Whether it accepts `complexity`.
        fidelity: Accepted values of `input_fidelity`.
        markup: Whether it accepts `markup`.
    """

    name: str
    text_in_usd: float
    image_in_usd: float
    image_out_usd: float
    created: int
    shutdown: date | None = None
    any_size: bool = True
    qualities: tuple[str, ...] = THREE_QUALITIES
    complexity: bool = False
    fidelity: tuple[str, ...] = ()
    markup: bool = False


def _old(
    name: str, created: int, shutdown: date, prices: tuple[float, float, float], fidelity: tuple[str, ...]
) -> Model:
    return Model(name, *prices, created=created, shutdown=shutdown, any_size=False, fidelity=fidelity)


def _new(name: str, created: int, *, complexity: bool = False) -> Model:
    return Model(
        name, 5, 8, 30, created=created, qualities=FIVE_QUALITIES, complexity=complexity, markup=not complexity
    )


MODELS = {
    model.name: model
    for model in (
        _old("dall-e-2", 1698798177, date(2026, 5, 12), (5, 8, 32), ()),
        _old("dall-e-3", 1698785189, date(2026, 5, 12), (5, 8, 32), ()),
        _old("gpt-image-1", 1745517030, date(2026, 10, 23), (5, 10, 40), ("high", "low")),
        _old("gpt-image-1-mini", 1758845821, date(2026, 12, 1), (2, 2.5, 8), ("low",)),
        _old("gpt-image-1.5", 1764030620, date(2026, 12, 1), (5, 8, 32), ("high", "low")),
        _old("chatgpt-image-latest", 1765925279, date(2026, 12, 1), (5, 8, 32), ("high", "low")),
        Model("gpt-image-2", 5, 8, 30, created=1776729600),
        Model("gpt-image-2-2026-04-21", 5, 8, 30, created=1776729600),
        _new("gpt-image-2.5-flare", 1788825600),
        _new("gpt-image-2.5-flare-2026-09-08", 1788825600),
        _new("gpt-image-2.5-sunburst", 1788825600),
        _new("gpt-image-2.5-sunburst-2026-09-08", 1788825600),
        _new("gpt-image-2.6-flare", 1793491200, complexity=True),
        _new("gpt-image-2.6-sunburst", 1793491200, complexity=True),
    )
}


def served_models(today: date) -> dict[str, Model]:
    """Return the models that are not shut down on this day."""
    return {name: model for name, model in MODELS.items() if model.shutdown is None or today < model.shutdown}


def output_tokens(model: Model, quality: str, width_px: int, height_px: int) -> int:
    """Return the output tokens of one image: the table for the old models, the reported formula for the others."""
    if not model.any_size:
        table = OLD_OUTPUT_TOKENS[quality]
        # Other sizes are possible with `any_size` only. Their tokens follow the area.
        by_area = ceil(table["1024x1024"] * width_px * height_px / 1024**2)
        return table.get(f"{width_px}x{height_px}", by_area)
    steps = (NEW_STEPS if model.qualities == FIVE_QUALITIES else STEPS)[quality]
    short, long = sorted((width_px, height_px))
    scaled = (2 * steps * short + long) // (2 * long)
    return ceil(Fraction(steps * scaled * (2_000_000 + width_px * height_px), 4_000_000))


def text_tokens(prompt: str) -> int:
    """Return the approximate number of tokens of a prompt: one per four bytes, plus a constant."""
    return len(prompt.encode()) // 4 + 8


def reference_tokens(width_px: int, height_px: int, fidelity: str | None) -> int:
    """Return the input tokens of a reference image, by the formula that was published for gpt-image-1.

    The image is scaled until its short edge has 512 pixels; 65 tokens, and 129 for every tile of 512 x 512. High
    fidelity adds 4160, or 6240 if the image is not square.
    """
    short, long = sorted((width_px, height_px))
    tiles = ceil(long / short)
    added = 0 if fidelity != "high" else 4160 if short == long else 6240
    return 65 + 129 * tiles + added


def cost_usd(model: Model, usage: dict[str, object], *, in_batch: bool) -> float:
    """Return the price of a call.

    Args:
        model: Model with the prices.
        usage: Usage in the response.
        in_batch: Whether to apply the half price of batches.
    """
    details = usage["input_tokens_details"]
    assert isinstance(details, dict) and isinstance(usage["output_tokens"], int)
    millionths = (
        details["text_tokens"] * model.text_in_usd
        + details["image_tokens"] * model.image_in_usd
        + usage["output_tokens"] * model.image_out_usd
    )
    return float(millionths * (BATCH_DISCOUNT if in_batch else 1)) / 1e6
