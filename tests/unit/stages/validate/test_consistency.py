"""Which images have other colors than the rest of their group, and what becomes of them."""

from dataclasses import replace

import pytest
from world import World

from imagemake.config.campaign import load_campaign
from imagemake.config.similarity import Consistency
from imagemake.core.problems import UserError
from imagemake.images.lab import lab_of
from imagemake.plan.requests.references import Attached
from imagemake.plan.reviews import Review
from imagemake.plan.state import Stage
from imagemake.stages.validate.consistency import Colored, colored, mean_color, odd_ones, unlike_parents

LIMITS = Consistency(by=("product",), max_distance=10, max_spread=3)


def images(*colors, group="mug"):
    return [Colored(f"{group}-{number}", (group,), color) for number, color in enumerate(colors)]


WHITE = [(90.0, 0.0, 0.0), (91.0, 0.0, 1.0), (89.0, 1.0, 0.0), (90.0, -1.0, 0.0), (90.0, 0.0, -1.0)]


@pytest.mark.parametrize(
    ("color", "words"),
    [
        ((90.0, 0.0, 10.0), None),
        ((90.0, 0.0, 14.2), "yellower than the 6 images of mug: a color difference of 14.2, at most 10"),
        ((90.0, 0.0, -12.0), "bluer than the 6 images of mug: a color difference of 12, at most 10"),
        ((70.0, 3.0, 0.0), "darker than the 6 images of mug: a color difference of 20.2, at most 10"),
        ((90.0, 30.0, 0.0), "redder than the 6 images of mug: a color difference of 30, at most 10"),
    ],
)
def test_an_image_is_odd_only_beyond_the_limit_and_the_reason_says_how(color, words):
    found = odd_ones(images(*WHITE, color), LIMITS)
    assert found == ({"mug-5": words} if words else {})


def test_a_group_whose_images_differ_much_by_themselves_has_no_odd_one():
    wide = [(20.0 * step, 0.0, 0.0) for step in range(6)]
    assert odd_ones(images(*wide), LIMITS) == {}
    assert odd_ones(images(*wide), LIMITS.model_copy(update={"max_spread": 1.0})).keys() == {"mug-0", "mug-5"}


def test_nearly_half_of_a_group_can_be_odd_without_moving_its_middle():
    odd = [(60.0, 0.0, 40.0)] * 4
    assert odd_ones(images(*WHITE, *odd), LIMITS).keys() == {"mug-5", "mug-6", "mug-7", "mug-8"}


def test_a_group_of_three_says_nothing_and_groups_are_apart():
    three = images(*WHITE[:2], (10.0, 0.0, 0.0))
    assert odd_ones(three, LIMITS) == {}
    assert odd_ones([*three, *images(*[(10.0, 0.0, 0.0)] * 5, group="pot")], LIMITS) == {}


def test_a_palette_is_weighted_by_what_each_color_has_of_the_image():
    white, red = lab_of((255, 255, 255)), lab_of((255, 0, 0))
    expected = [0.75 * one + 0.25 * other for one, other in zip(white, red, strict=True)]
    assert mean_color("ffffff:0.7500 ff0000:0.2500") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("variables", "values"),
    [
        ({"product": ""}, {"palette": "ffffff:1.0000"}),
        ({}, {"palette": "ffffff:1.0000"}),
        ({"product": "mug"}, {"failed": "no"}),
    ],
)
def test_what_has_no_group_or_no_palette_is_not_compared(variables, values):
    assert colored("a", variables, {"colors@1-abc": values}, ["product"]) is None


@pytest.fixture
def shop():
    """Five mugs, of which the last one is yellow."""
    world = World(*"abcde")
    world.requests = [replace(request, variables={"product": "mug"}) for request in world.requests]
    world.policy = replace(world.policy, consistency=LIMITS, measures=[*world.policy.measures, "colors@1"])
    for state in world.resolve():
        show(world, state, "ffe000" if state.request.name == "e" else "ffffff")
    return world


def show(world, state, color):
    stored = world.make(state)
    world.measures[stored.digest]["colors@1"] = {"palette": f"{color}:1.0000"}


def test_an_odd_image_waits_for_a_person_whose_approval_counts(shop):
    *others, odd = shop.resolve()
    assert {state.stage for state in others} == {Stage.POSTPROCESS}
    assert (odd.stage, odd.attempt) == (Stage.REVIEW, 0)
    assert str(odd.reasons[0]).startswith("consistency: yellower than the 5 images of mug: a color difference of ")
    shop.reviews[odd.key] = Review("approve", "", "kim", "2026-11-01")
    assert shop.resolve()[-1].stage is Stage.POSTPROCESS


def test_an_odd_image_is_made_again_where_the_campaign_says_so_and_compared_again(shop):
    rejecting = LIMITS.model_copy(update={"outcome": "reject"})
    shop.policy = replace(shop.policy, consistency=rejecting, patches={"consistency": "White light."})
    odd = shop.resolve()[-1]
    assert (odd.stage, odd.attempt, str(odd.why)) == (Stage.GENERATE, 1, "attempt 2: consistency")
    assert odd.recipe.prompt.endswith("White light.")
    show(shop, odd, "ffd000")
    assert shop.resolve()[-1].attempt == 2
    show(shop, shop.resolve()[-1], "fefefe")
    assert (shop.resolve()[-1].stage, shop.resolve()[-1].attempt) == (Stage.POSTPROCESS, 2)


def test_a_group_is_compared_once_enough_of_it_is_there(shop):
    shop.requests = shop.requests[2:]
    assert {state.stage for state in shop.resolve()} == {Stage.POSTPROCESS}


def test_an_image_may_differ_from_the_one_that_it_is_made_from_by_its_own_limit():
    limits = Consistency(max_from_parent=20)
    white, gray = ({"colors@1": {"palette": f"{color}:1"}} for color in ("ffffff", "808080"))
    words = unlike_parents(gray, {"hero": white}, limits)
    assert words == "darker than hero: a color difference of 46.4, at most 20"
    assert not unlike_parents(white, {"hero": white}, limits)
    assert not unlike_parents(gray, {"hero": white}, limits.model_copy(update={"max_from_parent": 50.0}))
    assert not unlike_parents(gray, {"hero": {}}, limits)


def test_of_several_images_that_it_is_made_from_the_nearest_one_counts_wherever_it_stands():
    limits = Consistency(max_from_parent=20)
    white, gray, black = ({"colors@1": {"palette": f"{color}:1"}} for color in ("ffffff", "808080", "000000"))
    assert not unlike_parents(white, {"board": black, "hero": white}, limits)
    assert not unlike_parents(white, {"hero": white, "board": black}, limits)
    words = unlike_parents(gray, {"board": black, "hero": white}, limits)
    assert words == "darker than hero: a color difference of 46.4, at most 20", "it is like neither of them"
    assert not unlike_parents(gray, {"board": {}, "hero": gray}, limits)


@pytest.mark.parametrize(("outcome", "stage"), [("review", Stage.REVIEW), ("reject", Stage.GENERATE)])
def test_an_image_unlike_its_parent_is_sent_to_review_or_rejected(outcome, stage):
    world = World("hero", "angle")
    sent = ("image:hero",)
    child = world.requests[1]
    recipe = replace(child.recipe, references=sent)
    world.requests[1] = replace(child, recipe=recipe, attached=Attached(sent, sent, parents=("hero",)))
    world.policy = replace(
        world.policy,
        duplicates=None,
        measures=[*world.policy.measures, "colors@1"],
        consistency=Consistency(max_from_parent=20, outcome=outcome),
    )
    for palette in ("ffffff:1", "808080:1"):
        due = next(state for state in world.resolve() if state.stage is Stage.GENERATE)
        world.measures[world.make(due).digest]["colors@1"] = {"palette": palette}
    hero, angle = world.resolve()
    assert (hero.stage, angle.stage) == (Stage.POSTPROCESS, stage)
    reasons = angle.reasons or angle.past[0].reasons
    assert str(reasons[0]) == "consistency: darker than hero: a color difference of 46.4, at most 20"


def test_comparing_nothing_is_a_mistake():
    with pytest.raises(UserError, match="nothing is compared"):
        load_campaign(
            {"campaign": "a", "catalog": "c.csv", "prompt": "p", "name": "n", "validation": {"consistency": {}}}
        )
