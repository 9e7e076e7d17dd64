"""Capabilities, retirement and prices: figures are the posted ones, and no finding or bound is silently lost."""

import re
from datetime import date, timedelta
from importlib.resources import files

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from imagemake.config.models import (
    Model,
    ModelFacts,
    Severity,
    cost_usd,
    estimate_usd,
    load_models,
    problems_of,
    worst_usd,
)
from imagemake.config.models.costs import PROMPT_OVERHEAD_TOKENS, grid_tokens
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe

TABLE = load_models()
TODAY = date(2026, 11, 23)
GRID = {"low": 16, "medium": 48, "high": 96}
CURRENT = [
    "gpt-image-2",
    "gpt-image-2-2026-04-21",
    "gpt-image-2.5-flare",
    "gpt-image-2.5-flare-2026-09-08",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.5-sunburst-2026-09-08",
    "gpt-image-2.6-flare",
    "gpt-image-2.6-sunburst",
]
RETIRING = ["gpt-image-1.5", "gpt-image-1.5-2025-12-16", "gpt-image-1-mini", "chatgpt-image-latest"]
RETIRED = {"gpt-image-1": date(2026, 10, 23), "dall-e-3": date(2026, 5, 12), "dall-e-2": date(2026, 5, 12)}


def model(name="gpt-image-2", provider="openai", table=TABLE) -> Model:
    found = table.get(provider, name)
    assert found is not None
    return found


def recipe(prompt="a mug", negative_prompt=None, **parameters) -> Recipe:
    return Recipe("openai", "any", prompt, 1, parameters, negative_prompt)


def whats(name="gpt-image-2", today=TODAY, table=TABLE, provider="openai", **wanted) -> list[str]:
    return [finding.what for finding in problems_of(model(name, provider, table), recipe(**wanted), today)]


def with_facts(**facts) -> Model:
    return model("mine", table=load_models({"openai": {"mine": facts}}))


# The table


def test_every_known_model_of_openai_is_in_the_table():
    assert {name for name in TABLE.models if name[0] in ("preview", "openai")} == {
        ("preview", "preview-1"),
        *(("openai", name) for name in [*CURRENT, *RETIRING, *RETIRED]),
    }


def test_an_unknown_model_is_none_and_no_error():
    assert TABLE.get("openai", "flux-on-my-own-server") is None


def test_a_snapshot_has_every_fact_of_its_model():
    assert model("gpt-image-2-2026-04-21").facts.model_dump(exclude={"like"}) == model().facts.model_dump(
        exclude={"like"}
    )


def test_openai_models_honor_no_seed_and_the_preview_does():
    assert not any(model(name).facts.determinism != "unseeded" for name in CURRENT + RETIRING)
    assert model("preview-1", "preview").facts.determinism == "batch-invariant"


# A campaign's own facts


def test_each_price_has_its_date_and_names_its_source():
    text = files("imagemake.config.models").joinpath("models.toml").read_text()
    sections = [one for one in text.split("\n\n") if "usd_per" in one]
    dated = [re.search(r"as_of = \d{4}-\d\d-\d\d[^#\n]*#.*(OpenAI|Google|3P|it runs here)", one) for one in sections]
    assert [one for one, found in zip(sections, dated, strict=True) if not found] == []


def test_a_model_of_a_server_has_what_all_of_its_models_have():
    found = TABLE.get("openai", "recraftv3", "recraft")
    assert (found.facts.max_prompt_characters, found.facts.always_sent) == (1000, {"response_format": "b64_json"})


def test_an_override_replaces_one_fact_and_leaves_the_others():
    prices = {"as_of": "2027-01-01", "usd_per_million_tokens": {"text_in": 1, "image_in": 1, "image_out": 10}}
    table = load_models({"openai": {"gpt-image-2": {"prices": prices}}})
    priced = recipe(size="1024x1024", quality="low", prompt="x" * 40)
    assert estimate_usd(model(table=table), priced) == pytest.approx((196 * 10 + 16) / 1e6)
    assert whats(table=table, size="1000x1000") != []


def test_an_override_reaches_the_models_that_are_like_it():
    table = load_models({"openai": {"gpt-image-2": {"retires_on": date(2026, 1, 1)}}})
    assert whats("gpt-image-2-2026-04-21", table=table) == ["gpt-image-2-2026-04-21 was shut down on 2026-01-01."]


def test_parameters_are_joined_by_name_and_null_takes_one_away():
    parameters = {"style": {"one_of": ["vivid"]}, "moderation": None}
    table = load_models({"openai": {"gpt-image-2": {"parameters": parameters}}})
    assert whats(table=table, style="vivid", quality="low") == []
    assert whats(table=table, moderation="low") == ["gpt-image-2 accepts no parameter 'moderation'."]


def test_checked_facts_are_taken_like_plain_data():
    facts = ModelFacts.model_validate({"like": "gpt-image-2", "max_prompt_characters": 3})
    table = load_models({"openai": {"mine": facts}})
    assert whats("mine", table=table) == ["the prompt has 5 characters; mine accepts at most 3."]
    assert whats("mine", table=table, prompt="cat", size="1024x1024") == []


def test_overrides_of_one_load_do_not_reach_the_next():
    load_models({"openai": {"gpt-image-2": {"retires_on": date(2026, 1, 1)}}})
    assert whats(table=load_models()) == []


def test_every_mistake_in_the_overrides_is_told_at_once_with_its_place():
    mistakes = {
        "openai": {
            "gpt-image-2": {"price": {}, "prices": {"as_of": "2026-01-01", "usd_per_image": -1}},
            "mine": {"size_rule": {"multiple": 8}, "negative_prompt": "perhaps"},
        }
    }
    with pytest.raises(UserError) as error:
        load_models(mistakes, where="config.yaml")
    told = {problem.where: problem for problem in error.value.problems}
    assert set(told) == {
        "config.yaml, models.openai.gpt-image-2.price",
        "config.yaml, models.openai.gpt-image-2.prices.usd_per_image",
        "config.yaml, models.openai.mine.size_rule.multiple",
        "config.yaml, models.openai.mine.negative_prompt",
    }
    assert "prices" in told["config.yaml, models.openai.gpt-image-2.price"].remedy


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        ({"like": "gpt-image-9"}, "openai has no known model 'gpt-image-9'."),
        ({"like": "mine"}, "this is a circle: mine -> mine."),
        ({"like": "other"}, "this is a circle: mine -> other -> mine."),
    ],
)
def test_a_like_that_leads_nowhere_is_a_problem(facts, what):
    with pytest.raises(UserError) as error:
        load_models({"openai": {"mine": facts, "other": {"like": "mine"}}})
    assert what in [problem.what for problem in error.value.problems]


@pytest.mark.parametrize("overrides", [{"openai": None}, {"openai": ["gpt-image-2"]}, {"openai": {"mine": 3}}])
def test_a_section_of_another_shape_is_a_problem_and_no_traceback(overrides):
    with pytest.raises(UserError):
        load_models(overrides)


@pytest.mark.parametrize(
    "facts",
    [
        {
            "prices": {
                "as_of": "2026-01-01",
                "usd_per_image": 1,
                "usd_per_million_tokens": {"text_in": 1, "image_in": 1, "image_out": 1},
            }
        },
        {"output_tokens": {"grid": {"low": 16}, "table": {"1024x1024": {"low": 1}}}},
    ],
)
def test_two_ways_to_pay_or_to_count_are_a_problem(facts):
    with pytest.raises(UserError, match=r"not both|only one of"):
        load_models({"openai": {"mine": facts}})


# Findings


@pytest.mark.parametrize("name", CURRENT)
@pytest.mark.parametrize(
    "size",
    ["1024x1024", "1024x1536", "1536x1024", "auto", "1536x864", "3840x2160", "2160x3840", "3072x1024", "1024x640"],
)
def test_posted_sizes_are_taken_by_every_current_model(name, size):
    assert whats(name, size=size) == []


@pytest.mark.parametrize(
    ("size", "why"),
    [
        ("1000x1024", "has an edge that is not a multiple of 16"),
        ("1024x1000", "has an edge that is not a multiple of 16"),
        ("3856x1600", "has an edge above 3840 pixels"),
        ("3072x1008", "is longer than 3:1"),
        ("1008x3072", "is longer than 3:1"),
        ("800x800", "has fewer than 655,360 pixels"),
        ("2896x2896", "has more than 8,294,400 pixels"),
        ("16x4096", "has an edge above 3840 pixels and is longer than 3:1 and has fewer than 655,360 pixels"),
        ("large", "is not one of its sizes"),
        ("1024X1024", "is not one of its sizes"),
        ("01024x1024", "is not one of its sizes"),
        ("\uff11024x1024", "is not one of its sizes"),
        (1024, "is not one of its sizes"),
    ],
)
def test_a_size_outside_of_the_rule_is_refused_with_every_reason(size, why):
    (finding,) = problems_of(model(), recipe(size=size), TODAY)
    assert finding.severity is Severity.ERROR
    assert finding.what == f"size {size!r} {why}, so gpt-image-2 does not accept it."
    assert "at least 655,360 pixels" in finding.remedy


def test_a_list_of_sizes_takes_no_other_size():
    (size, _) = sorted(whats("gpt-image-1.5", size="1536x864"), reverse=True)
    assert size == "size '1536x864' is not one of its sizes, so gpt-image-1.5 does not accept it."


@pytest.mark.parametrize(
    ("name", "parameters", "what"),
    [
        ("gpt-image-2", {"quality": "max"}, "gpt-image-2 does not accept quality 'max'."),
        ("gpt-image-2", {"quality": 3}, "gpt-image-2 does not accept quality 3."),
        ("gpt-image-2", {"output_format": "gif"}, "gpt-image-2 does not accept output_format 'gif'."),
        ("gpt-image-2", {"background": "white"}, "gpt-image-2 does not accept background 'white'."),
        ("gpt-image-2", {"moderation": "off"}, "gpt-image-2 does not accept moderation 'off'."),
        ("gpt-image-2", {"seed": 3}, "gpt-image-2 accepts no parameter 'seed'."),
        ("gpt-image-2.5-flare", {"complexity": "low"}, "gpt-image-2.5-flare accepts no parameter 'complexity'."),
        (
            "gpt-image-2",
            {"output_format": "jpeg", "output_compression": 101},
            "gpt-image-2 does not accept output_compression 101.",
        ),
        (
            "gpt-image-2",
            {"output_format": "webp", "output_compression": -1},
            "gpt-image-2 does not accept output_compression -1.",
        ),
        (
            "gpt-image-2",
            {"output_format": "jpeg", "background": "transparent"},
            "output_format 'jpeg' has no transparency, but background is transparent.",
        ),
        (
            "gpt-image-2",
            {"output_format": "png", "output_compression": 50},
            "output_compression does not apply to output_format 'png'.",
        ),
        ("gpt-image-2", {"output_compression": 50}, "output_compression does not apply to output_format 'png'."),
    ],
)
def test_what_a_model_does_not_take_is_an_error(name, parameters, what):
    (finding,) = problems_of(model(name), recipe(**parameters), TODAY)
    assert (finding.severity, finding.what) == (Severity.ERROR, what)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("gpt-image-2", {"quality": "high", "moderation": "low", "background": "transparent"}),
        ("gpt-image-2", {"output_format": "webp", "background": "transparent", "output_compression": 0}),
        ("gpt-image-2.5-sunburst", {"quality": "max"}),
        ("gpt-image-2.6-flare", {"quality": "xhigh", "complexity": "high"}),
    ],
)
def test_what_a_model_takes_is_no_finding(name, parameters):
    assert whats(name, **parameters) == []


def test_the_preview_takes_what_a_campaign_for_any_other_model_asks_for():
    asked = {"quality": "max", "complexity": "low", "size": "64x64", "negative_prompt": "text"}
    assert whats("preview-1", provider="preview", **asked) == []


def test_true_is_no_number_even_after_one_was_right():
    assert whats(output_format="jpeg", output_compression=1) == []
    assert whats(output_format="jpeg", output_compression=True) != []


def test_the_longest_prompt_is_taken_and_one_character_more_is_not():
    assert whats(prompt="x" * 32_000) == []
    assert whats(prompt="x" * 32_001) == ["the prompt has 32,001 characters; gpt-image-2 accepts at most 32,000."]


def test_a_negative_prompt_is_an_error_only_where_it_is_known_not_to_be_taken():
    assert whats(negative_prompt="text") == ["gpt-image-2 accepts no negative prompt."]
    assert problems_of(with_facts(), recipe(negative_prompt="text"), TODAY) == []


def test_of_a_model_of_which_nothing_is_known_nothing_is_checked():
    assert problems_of(with_facts(), recipe("x" * 99_999, size="1x1", steps=30, quality="superb"), TODAY) == []


def test_a_parameter_without_bounds_takes_any_value():
    bounded = with_facts(parameters={"style": {}, "steps": {"min": 1}})
    assert problems_of(bounded, recipe(style="my own", steps=10**6), TODAY) == []
    (finding,) = problems_of(bounded, recipe(steps=0), TODAY)
    assert finding.remedy == "Use a number of at least 1, or remove it."


def test_a_hostile_value_is_told_short_and_on_one_line():
    (what,) = whats(quality="low\n\x1b[31m" + "x" * 10_000)
    assert len(what) < 150
    assert what.isprintable()


@pytest.mark.parametrize(("name", "day"), RETIRED.items())
def test_a_retired_model_is_an_error(name, day):
    (finding,) = problems_of(model(name), recipe(), TODAY)
    assert (finding.severity, finding.what) == (Severity.ERROR, f"{name} was shut down on {day}.")
    assert finding.remedy.startswith("Use gpt-image-2.")


@pytest.mark.parametrize("name", RETIRING)
@pytest.mark.parametrize(
    ("days_before", "severity"),
    [(61, None), (60, Severity.WARNING), (1, Severity.WARNING), (0, Severity.ERROR), (-1, Severity.ERROR)],
)
def test_a_retirement_is_told_sixty_days_ahead_and_is_an_error_from_its_day(name, days_before, severity):
    today = date(2026, 12, 1) - timedelta(days=days_before)
    assert [finding.severity for finding in problems_of(model(name), recipe(), today)] == [severity] * bool(severity)


def test_every_problem_of_a_recipe_is_found():
    assert len(whats("gpt-image-1.5", size="1x1", quality="max", n=2, negative_prompt="text", prompt="x" * 40_000)) == 6


# Costs


@pytest.mark.parametrize(
    ("size", "tokens"),
    [("1024x1024", (196, 1756, 7024)), ("1536x1024", (158, 1372, 5488)), ("1024x1536", (158, 1372, 5488))],
)
def test_the_grid_gives_the_posted_tokens(size, tokens):
    width, height = map(int, size.split("x"))
    assert tuple(grid_tokens(patches, width, height) for patches in GRID.values()) == tokens


@pytest.mark.parametrize(("quality", "usd"), [("low", 0.0059), ("medium", 0.0527), ("high", 0.2107)])
def test_a_gpt_image_2_image_is_estimated_at_the_posted_price(quality, usd):
    prompt_usd = (PROMPT_OVERHEAD_TOKENS + 25) * 5 / 1e6
    estimate = estimate_usd(model(), recipe("x" * 100, size="1024x1024", quality=quality))
    assert round(estimate - prompt_usd, 4) == usd


@pytest.mark.parametrize(("name", "usd_per_token"), [("gpt-image-1.5", 32e-6), ("gpt-image-1-mini", 8e-6)])
@pytest.mark.parametrize(
    ("size", "tokens"),
    [("1024x1024", (272, 1056, 4160)), ("1024x1536", (408, 1584, 6240)), ("1536x1024", (400, 1568, 6208))],
)
def test_older_models_are_estimated_by_the_posted_table(name, usd_per_token, size, tokens):
    nothing_said = worst_usd(model(name), recipe("", size=size, quality="low")) - tokens[0] * usd_per_token
    for quality, count in zip(GRID, tokens, strict=True):
        estimate = estimate_usd(model(name), recipe("", size=size, quality=quality))
        assert estimate == pytest.approx(count * usd_per_token + nothing_said, abs=1e-6)


@pytest.mark.parametrize(
    "parameters", [{}, {"quality": "auto", "size": "1024x1024"}, {"quality": "low", "size": "auto"}]
)
def test_what_the_model_chooses_has_no_estimate_but_a_bound(parameters):
    assert estimate_usd(model(), recipe(**parameters)) is None
    assert worst_usd(model(), recipe(**parameters)) is not None


def test_the_bound_without_size_and_quality_is_the_costliest_image_there_is():
    assert worst_usd(model(), recipe("")) == worst_usd(model(), recipe("", size="2880x2880", quality="high"))
    assert worst_usd(model("gpt-image-1.5"), recipe("")) == pytest.approx(6240 * 32e-6 + 30e-6)


@pytest.mark.parametrize(
    "name", ["gpt-image-2.5-flare", "gpt-image-2.6-sunburst", "chatgpt-image-latest", "gpt-image-1", "dall-e-3"]
)
def test_where_tokens_or_prices_are_unknown_so_is_the_cost(name):
    wanted = recipe(size="1024x1024", quality="low")
    assert (estimate_usd(model(name), wanted), worst_usd(model(name), wanted)) == (None, None)


def test_without_a_bound_on_size_the_worst_is_unknown_and_not_low():
    facts = {"like": "gpt-image-2", "sizes": ["auto", "1024x1024"], "size_rule": {"multiple_px": 8}}
    assert worst_usd(with_facts(**facts), recipe(quality="low")) is None


def test_the_preview_is_free():
    free = model("preview-1", "preview")
    assert (estimate_usd(free, recipe()), worst_usd(free, recipe()), cost_usd(free, None)) == (0, 0, 0)


def test_a_price_by_the_image_needs_no_usage():
    flat = with_facts(prices={"as_of": "2026-11-01", "usd_per_image": 0.039, "batch_share": 0.5})
    assert (estimate_usd(flat, recipe()), worst_usd(flat, recipe()), cost_usd(flat, None)) == (0.039, 0.039, 0.039)
    assert cost_usd(flat, {}, batch=True) == 0.0195


@st.composite
def edges(draw):
    short = draw(st.integers(30, 180)) * 16
    long = draw(st.integers(short // 16, min(240, 3 * short // 16))) * 16
    return draw(st.permutations([short, long]))


@given(edges(), st.sampled_from([*GRID, "auto", None]), st.booleans(), st.text(max_size=200))
def test_no_estimate_is_above_the_bound_nor_any_bound_above_the_one_for_auto(wh, quality, size_given, prompt):
    parameters = {"size": f"{wh[0]}x{wh[1]}"} if size_given else {}
    if quality is not None:
        parameters["quality"] = quality
    assume(not whats(**parameters))
    estimate, worst = (
        estimate_usd(model(), recipe(prompt, **parameters)),
        worst_usd(model(), recipe(prompt, **parameters)),
    )
    assert worst is not None
    assert (estimate or 0) <= worst <= worst_usd(model(), recipe(prompt))


@given(st.text())
@example("\ud800")
def test_a_prompt_of_any_text_has_an_estimate(prompt):
    assert estimate_usd(model(), recipe(prompt, size="1024x1024", quality="low")) >= 196 * 30 / 1e6


def test_a_prompt_in_chinese_is_not_estimated_as_a_quarter_of_its_characters():
    low = {"size": "1024x1024", "quality": "low"}
    chinese, english = (estimate_usd(model(), recipe(letter * 4000, **low)) for letter in "杯c")
    assert chinese > english + 0.009


def usage(text, image, made, **more):
    return {
        "input_tokens": text + image,
        "input_tokens_details": {"text_tokens": text, "image_tokens": image},
        "output_tokens": made,
        "total_tokens": text + image + made,
        **more,
    }


def test_the_cost_of_a_real_answer_is_exact():
    assert cost_usd(model("gpt-image-1.5"), usage(23, 0, 1056)) == 0.033907


def test_text_reference_images_and_output_have_their_own_prices():
    assert cost_usd(model(), usage(1000, 0, 0)) == 0.005
    assert cost_usd(model(), usage(0, 1000, 0)) == 0.008
    assert cost_usd(model(), usage(0, 0, 1000)) == 0.03
    assert cost_usd(model("gpt-image-1-mini"), usage(1000, 1000, 1000)) == 0.0125


def test_a_batch_costs_half():
    assert cost_usd(model(), usage(10, 0, 7024), batch=True) == 0.105385


def test_text_that_a_model_makes_beside_the_image_has_its_own_price():
    made = {"output_tokens_details": {"text_tokens": 209, "image_tokens": 272}}
    assert cost_usd(model("gpt-image-1.5"), usage(48, 0, 481, **made)) == 0.011034
    assert cost_usd(model(), usage(48, 0, 481, **made)) == cost_usd(model(), usage(48, 0, 481))


@pytest.mark.parametrize("details", [None, {}, {"text_tokens": 10}, {"text_tokens": 0, "image_tokens": 0}, [1, 2]])
def test_counts_without_a_split_that_adds_up_are_taken_at_the_higher_price(details):
    assert cost_usd(model(), {"input_tokens": 1000, "output_tokens": 0, "input_tokens_details": details}) == 0.008


@pytest.mark.parametrize(
    "answer",
    [None, {}, {"total_tokens": 9}, {"input_tokens": 1}, {"input_tokens": 1, "output_tokens": "1056"}, "usage", [1056]]
    + [{"input_tokens": 1, "output_tokens": made} for made in (True, -1, 1.5, float("nan"), 10**400, None)],
)
def test_usage_that_makes_no_sense_is_an_unknown_cost_and_no_error(answer):
    assert cost_usd(model(), answer) is None


def test_the_cost_is_unknown_where_the_price_is():
    assert cost_usd(model("dall-e-3"), usage(1, 0, 1)) is None
    assert cost_usd(model("chatgpt-image-latest"), usage(1, 0, 1)) is None


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_cost_is_the_sum_of_its_tokens_to_the_millionth(text, image, made):
    assert cost_usd(model(), usage(text, image, made)) == (5 * text + 8 * image + 30 * made) / 1_000_000


def test_a_bound_that_is_given_makes_a_budget_possible_where_the_tokens_are_not_known():
    bounded = with_facts(like="gpt-image-2.6-flare", max_usd_per_image=0.4)
    assert (estimate_usd(bounded, recipe()), worst_usd(bounded, recipe())) == (None, 0.4)
    known = with_facts(like="gpt-image-2", max_usd_per_image=0.4)
    assert worst_usd(known, recipe(size="1024x1024", quality="low")) < 0.01
