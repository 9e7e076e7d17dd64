"""What the table says of Gemini's models: sizes by ratio and tier, and costs by tokens."""

from datetime import date

import pytest

from imagemake.config.models import cost_usd, estimate_usd, load_models, problems_of, worst_usd
from imagemake.core.recipe import Recipe

TABLE = load_models()
PRO, FLASH, OLD = "gemini-3-pro-image", "gemini-3.1-flash-image", "gemini-2.5-flash-image"


def asked(name, size=None, **fields):
    parameters = {} if size is None else {"size": size}
    return TABLE.get("gemini", name), Recipe("gemini", name, "a mug", 1, parameters, **fields)


@pytest.mark.parametrize(
    ("name", "size", "usd"),
    [
        (PRO, "3:2", 0.134),
        (PRO, "3:2@2K", 0.134),
        (PRO, "21:9@4K", 0.24),
        (FLASH, "1:1@512", 0.045),
        (OLD, "3:2", 0.039),
    ],
)
def test_the_estimate_is_the_price_that_is_posted_per_image(name, size, usd):
    model, recipe = asked(name, size)
    estimate = estimate_usd(model, recipe)
    assert estimate == pytest.approx(usd, abs=0.0006)
    assert estimate <= worst_usd(model, recipe)
    assert worst_usd(model, recipe, batch=True) == pytest.approx(worst_usd(model, recipe) / 2, abs=1e-6)


def test_thoughts_cost_what_text_costs():
    usage = {"input_tokens": 10, "input_tokens_details": {"text_tokens": 10, "image_tokens": 0}}
    usage |= {"output_tokens": 1420, "output_tokens_details": {"text_tokens": 300, "image_tokens": 1120}}
    model, _ = asked(PRO)
    assert cost_usd(model, usage) == pytest.approx(10 * 2e-6 + 300 * 12e-6 + 1120 * 120e-6)


@pytest.mark.parametrize("size", ["1024x1024", "7:5", "3:2@8K", "3:2@512"])
def test_a_size_that_a_model_does_not_have_is_refused_with_those_that_it_has(size):
    (found,) = problems_of(*asked(PRO, size), date(2026, 11, 27))
    assert f"'{size}' is not one of its sizes" in found.what
    assert found.remedy.startswith("Use auto, or 1:1, or 2:3, or")
    assert found.remedy.endswith("or 21:9, or one of these ratios with @1K, @2K, @4K.")


def test_the_oldest_model_takes_no_tier():
    (found,) = problems_of(*asked(OLD, "3:2@2K"), date(2026, 11, 27))
    assert found.remedy.endswith("or 16:9, or 21:9.")


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"negative_prompt": "text"}, "negative prompt"),
        ({"references": ("a",) * 15}, "14 reference images"),
        ({"references": ("a",), "mask": "b"}, "no mask"),
    ],
)
def test_what_the_api_does_not_have_is_refused_before_anything_is_paid(fields, what):
    (found,) = problems_of(*asked(PRO, **fields), date(2026, 11, 27))
    assert what in found.what
