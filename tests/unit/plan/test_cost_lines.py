from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from imagemake.config.campaign import load_campaign
from imagemake.core.recipe import Recipe
from imagemake.plan.cost_lines import cost_lines
from imagemake.plan.inventory import JournalFacts
from imagemake.plan.requests.request import Request, Route
from imagemake.plan.state import Stage, State

PRICED = {"openai": {"painter": {"prices": {"as_of": "2026-11-01", "usd_per_image": 0.04}}}}
LEAST = {"campaign": "Mugs", "catalog": "config/catalog.csv", "prompt": "A {color} mug", "name": "{sku}"}


def a_state(name, stage=Stage.GENERATE, attempt=0, model="painter", references=()):
    recipe = Recipe("openai", model, f"A {name}", 1, references=references)
    request = Request(name=name, recipe=recipe, row=1, variables={}, take=1)
    return State(request, recipe, f"key of {name} {attempt}", attempt=attempt, stage=stage)


@pytest.fixture
def lines(tmp_path):
    def told(to_generate=(), to_validate=(), following=(), **config):
        campaign = load_campaign({**LEAST, "model": {"provider": "openai", "name": "painter"}, **config})
        inventory = SimpleNamespace(journal=JournalFacts(), store=SimpleNamespace(journal_folder=Path(tmp_path)))
        target = SimpleNamespace(campaign=campaign)
        return list(cost_lines(to_generate, to_validate, target, inventory, following))

    return told


def test_attempts_that_are_left_are_counted_from_where_each_image_stands(lines):
    told = lines([a_state("a", attempt=1), a_state("b", attempt=1)], models=PRICED)
    assert told == [
        "  Cost: about $0.08.",
        "  If images are rejected: up to 1 more attempt each, at most 2 images, about $0.08.",
    ]


def test_nothing_is_told_of_attempts_where_none_is_left(lines):
    assert lines([a_state("a", attempt=2)], models=PRICED) == ["  Cost: about $0.04."]
    assert lines([a_state("a")], models=PRICED, attempts={"max": 1}) == ["  Cost: about $0.04."]


def test_a_changed_threshold_costs_what_its_rejections_may_cost(lines):
    told = lines([], [a_state("a", Stage.VALIDATE), a_state("b", Stage.VALIDATE, attempt=2)], models=PRICED)
    assert told == ["  If images are rejected: up to 2 more attempts each, at most 2 images, about $0.08."]


def test_every_further_attempt_has_all_its_candidates(lines):
    candidates = {"n": 3, "best": {"tone.contrast": 1}}
    (_, told) = lines([a_state("a"), a_state("a")], models=PRICED, candidates=candidates)
    assert told == "  If images are rejected: up to 2 more attempts each, at most 6 images, about $0.24."


def test_what_is_free_stays_free(lines):
    free = {"openai": {"painter": {"prices": {"as_of": "2026-11-01", "usd_per_image": 0}}}}
    assert lines([a_state("a")], models=free) == ["  Cost: none."]


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (a_state("a", model="gpt-image-1", references=("0" * 64,)), "the price of an image with reference images"),
        (a_state("a"), "its price"),
    ],
)
def test_a_budget_names_the_images_that_it_leaves_out_for_an_unknown_price_and_the_key_to_set(lines, state, why):
    model = state.recipe.model
    told = lines([state], budget_usd={"run": 5}, attempts={"max": 1})
    assert told[-2:] == [
        f"  1 image of {model} will be LEFT OUT, because {why} is unknown and could exceed the budget. "
        "Set the most that one image can cost, in USD, such as",
        f"    models: {{openai: {{{model}: {{max_usd_per_image: 0.25}}}}}}",
    ]
    bounded = {"openai": {model: {"max_usd_per_image": 0.25}}}
    assert "LEFT OUT" not in "".join(lines([state], budget_usd={"run": 5}, models=bounded))
    assert "LEFT OUT" not in "".join(lines([state]))


def test_what_a_model_may_refuse_is_counted_at_the_price_of_the_next_one(lines):
    state = a_state("a")
    dear = Route("dear", replace(state.recipe, model="dear"), "")
    state.request = replace(state.request, model="painter", routes=(Route("painter", state.recipe, ""), dear))
    prices = {"as_of": "2026-11-01", "usd_per_image": 0.5}
    told = lines([state], models={"openai": {**PRICED["openai"], "dear": {"prices": prices}}}, attempts={"max": 1})
    assert told == [
        "  Cost: about $0.04.",
        "  If painter refuses images or has no quota left, dear makes them: at most 1 image, about $0.50.",
    ]


def test_what_the_next_model_makes_after_rejections_is_told_with_their_reasons(lines):
    state = a_state("a", Stage.VALIDATE)
    dear = Route("dear", replace(state.recipe, model="dear"), "")
    state.request = replace(state.request, model="painter", routes=(Route("painter", state.recipe, ""), dear))
    more = {"more_models": {"dear": {}}, "model_rules": [{"model": ["painter", "dear"]}]}
    told = lines([], [state], attempts={"max": 1, "policy": {"tone": "next_model"}}, **more)
    assert told == [
        "  If painter refuses images, has no quota left, or makes images that are rejected (tone), "
        "dear makes them: at most 1 image, unknown for 1 image.",
    ]
    assert lines([], [state], attempts={"max": 1}) == []


def test_what_follows_in_the_same_run_is_told_with_the_most_that_it_costs(lines):
    following = [a_state(name, Stage.WAITING, references=("image:a",)) for name in "bc"]
    say = "  For images made from images of this run: up to 2 calls, "
    assert lines([a_state("a")], following=following, models=PRICED, attempts={"max": 1}) == [
        "  Cost: about $0.04.",
        f"{say}about $0.08.",
    ]
    models = {"openai": {"painter": {"max_usd_per_image": 0.25}}}
    told = lines([a_state("a")], following=following, models=models, attempts={"max": 1})
    assert told == ["  Cost: unknown for 1 image, at most $0.25.", f"{say}unknown for 2 images, at most $0.50."]


def test_what_is_unknown_is_told_with_the_most_that_it_can_cost_if_each_image_has_a_bound(lines):
    known = {"openai": {**PRICED["openai"], "dear": {"max_usd_per_image": 0.25}}}
    states = [a_state("a"), a_state("b", model="dear"), a_state("c", model="dear")]
    once = {"attempts": {"max": 1}}
    assert (
        lines(states, models=known, **once)[0] == "  Cost: about $0.04 and unknown for 2 images, at most $0.54 in all."
    )
    assert lines([*states, a_state("d", model="new")], models=known, **once)[0] == (
        "  Cost: about $0.04 and unknown for 3 images."
    )
    told = lines(states[1:2], models=known)
    assert told[1].endswith("up to 2 more attempts each, at most 2 images, unknown for 2 images, at most $0.50.")
