"""What models take beside a prompt, checked before anything is spent."""

from datetime import date
from decimal import Decimal

import pytest

from imagemake.config.models import (
    estimate_usd,
    load_models,
    problems_in_batch,
    problems_of,
    problems_of_files,
    worst_usd,
)
from imagemake.core.recipe import Recipe
from imagemake.images.source_files import SourceImage
from imagemake.plan.learned_costs import LearnedCosts
from imagemake.store.journal import Call

TODAY = date(2026, 11, 24)
GPT = load_models().get("openai", "gpt-image-2")
OLD = load_models().get("openai", "gpt-image-1.5")
MINI = load_models().get("openai", "gpt-image-1-mini")
PREVIEW = load_models().get("preview", "preview-1")
DIGESTS = tuple(f"{n:064x}" for n in range(20))


def recipe(n=1, mask=None, **parameters):
    return Recipe(
        "openai", "m", "p", 1, {"size": "1024x1024", "quality": "low", **parameters}, None, None, DIGESTS[:n], mask
    )


def found(model, asked):
    return [finding.what for finding in problems_of(model, asked, TODAY) if "shut down" not in finding.what]


def file(size_bytes=1000, kind="png", width_px=64, height_px=48, has_alpha=True):
    return SourceImage("a" * 64, size_bytes, kind, width_px, height_px, has_alpha)


def found_in_files(references, mask=None, model=GPT):
    return [finding.what for finding in problems_of_files(model, references, mask)]


@pytest.mark.parametrize(("n", "told"), [(0, 0), (16, 0), (17, 1)])
def test_the_number_of_reference_images_is_bounded(n, told):
    assert len(found(GPT, recipe(n))) == len(found(PREVIEW, recipe(n))) == told


@pytest.mark.parametrize(
    ("name", "mask", "told"),
    [
        ("gpt-image-2.5-sunburst", "m" * 64, []),
        ("gpt-image-2.5-sunburst", None, ["mask_as says how the mask is sent, but there is no mask."]),
        ("gpt-image-2", "m" * 64, ["gpt-image-2 accepts no parameter 'mask_as'."]),
        ("gpt-image-2.6-flare", "m" * 64, ["gpt-image-2.6-flare accepts no parameter 'mask_as'."]),
    ],
)
def test_a_markup_needs_a_mask_and_a_model_that_takes_it(name, mask, told):
    model, asked = load_models().get("openai", name), recipe(1, mask=mask, mask_as="markup")
    assert found(model, asked) == told
    in_batch = [finding.what for finding in problems_in_batch(model, asked)]
    assert in_batch == ([f"in a batch, {name} does not accept mask_as."] if "2.5" in name else [])


def test_a_model_without_reference_images_says_so():
    model = load_models({"openai": {"mine": {"max_reference_images": 0, "mask": False}}}).get("openai", "mine")
    assert found(model, recipe(1, mask="m" * 64)) == [
        "mine accepts at most 0 reference images, but this request has 1.",
        "mine accepts no mask.",
    ]


def test_of_a_model_that_nobody_knows_nothing_is_said():
    model = load_models({"openai": {"mine": {}}}).get("openai", "mine")
    assert found(model, recipe(20, mask="m" * 64)) == []
    assert found_in_files([("a.png", file(10**9))], ("m.png", file(kind="jpeg")), model) == []


def test_parameters_of_one_endpoint_are_not_for_the_other():
    assert found(GPT, recipe(1, moderation="low")) == ["gpt-image-2 accepts moderation only without reference images."]
    assert found(GPT, recipe(0, moderation="low")) == []
    assert found(OLD, recipe(0, input_fidelity="high")) == [
        "gpt-image-1.5 accepts input_fidelity only with reference images."
    ]
    assert found(OLD, recipe(1, input_fidelity="high")) == []
    assert found(MINI, recipe(1, input_fidelity="high")) == ["gpt-image-1-mini does not accept input_fidelity 'high'."]
    assert "accepts no parameter 'input_fidelity'" in found(GPT, recipe(1, input_fidelity="high"))[0]


@pytest.mark.parametrize(("size_bytes", "told"), [(49_999_999, 0), (50_000_000, 1)])
def test_a_reference_image_is_less_than_50_mb(size_bytes, told):
    assert len(found_in_files([("a.png", file(size_bytes))])) == told


@pytest.mark.parametrize(("size_bytes", "told"), [(3_999_999, 0), (4_000_000, 1)])
def test_a_mask_is_less_than_4_mb(size_bytes, told):
    assert len(found_in_files([("a.png", file())], ("m.png", file(size_bytes)))) == told


def test_formats_can_be_narrowed():
    model = load_models({"openai": {"mine": {"reference_formats": ["png"]}}}).get("openai", "mine")
    assert found_in_files([("a", file()), ("b", file(kind="webp"))], model=model) == [
        "reference image 'b' is webp, which mine does not accept."
    ]


@pytest.mark.parametrize(
    ("mask", "what"),
    [
        (file(kind="webp"), "mask 'm.png' is webp."),
        (file(has_alpha=False), "mask 'm.png' is a PNG without transparency."),
        (
            file(width_px=48, height_px=64),
            "mask 'm.png' is 48x64 pixels, but the first reference image, 'a.png', is 64x48.",
        ),
    ],
)
def test_a_mask_is_a_transparent_png_as_large_as_the_first_image(mask, what):
    others = [("a.png", file()), ("b.png", file(width_px=48, height_px=64))]
    assert found_in_files(others, ("m.png", mask)) == [what]


def test_with_reference_images_the_cost_is_unknown_and_never_nothing():
    assert estimate_usd(GPT, recipe(0)) is not None
    assert estimate_usd(GPT, recipe(1)) is None
    assert worst_usd(GPT, recipe(1)) is None
    assert estimate_usd(PREVIEW, recipe(1)) == 0


def test_a_bound_that_the_user_gives_holds_with_reference_images_too():
    model = load_models({"openai": {"gpt-image-2": {"max_usd_per_image": Decimal("0.3")}}}).get("openai", "gpt-image-2")
    assert worst_usd(model, recipe(2)) == 0.3


def test_costs_with_and_without_reference_images_are_learned_apart():
    learned = LearnedCosts()
    for n, cost_usd in ((0, 0.01), (1, 0.05), (2, 0.09)):
        sent = {"recipe": {**recipe(n).as_dict(), "model": "gpt-image-2"}}
        for _ in range(3):
            learned.add(Call(sent, {"outcome": "made", "cost_usd": cost_usd}))
    asked = [Recipe("openai", "gpt-image-2", "other", 2, recipe().parameters, references=DIGESTS[:n]) for n in range(4)]
    means = [learned.mean_usd(GPT, one, batch=False) for one in asked]
    assert means == [pytest.approx(0.01), pytest.approx(0.05), pytest.approx(0.09), None]
