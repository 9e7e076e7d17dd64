"""Several images of each attempt, of which the best one goes on."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import BAD, GOOD, World

from imagemake.config.campaign import load_campaign
from imagemake.config.verdict_codes import VerdictCode
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.plan.batches import open_states
from imagemake.plan.candidates import CandidatePolicy, ranked
from imagemake.plan.reviews import Review
from imagemake.plan.state import Stage

BRIGHTEST = CandidatePolicy(3, {"tone.contrast": 1.0})


def contest(*names, candidate_policy=BRIGHTEST):
    world = World(*names)
    world.policy = replace(world.policy, candidate_policy=candidate_policy)
    return world


def tone(contrast):
    return {**GOOD, "contrast": contrast}


def make(world, *tones, **more):
    """Make the images of the one request's open candidates, with a tone each."""
    for state, values in zip(world.one().to_do, tones, strict=True):
        world.make(state, values, **more)


def test_all_candidates_of_an_attempt_are_asked_for_at_once():
    world = contest("mug")
    state = world.one()
    assert [one.recipe.prompt for one in state.to_do] == ["A mug"] * 3
    assert len({one.recipe.seed for one in state.to_do}) == 3
    assert state.to_do[0].key == world.requests[0].recipe.key(), "what was made without candidates is the first one"
    assert len(open_states([state], {"mug"})) == 3


def test_the_best_one_is_finished_and_the_others_are_told_with_their_scores():
    world = contest("mug")
    make(world, tone(40), tone(70), tone(50))
    state = world.one()
    assert (state.stage, state.measured["tone@1"]["contrast"], state.attempt) == (Stage.POSTPROCESS, 70, 0)
    assert [str(reason) for past in state.past for reason in past.reasons] == [
        "not_best: scores 40, the best candidate 70",
        "not_best: scores 50, the best candidate 70",
    ]


def test_a_request_waits_until_all_its_candidates_are_there():
    world = contest("mug")
    for state in world.one().to_do[:2]:
        world.make(state, tone(90))
    state = world.one()
    assert state.stage is Stage.GENERATE
    assert [one.candidate for one in state.to_do] == [2]


def test_a_good_one_is_taken_though_others_are_rejected_or_doubtful():
    world = contest("mug")
    make(world, BAD, tone(10), tone(30))
    state = world.one()
    assert (state.stage, state.measured["tone@1"]["contrast"]) == (Stage.POSTPROCESS, 30)
    assert VerdictCode.NOT_BEST not in state.failed_for


def test_of_doubtful_ones_the_best_goes_before_a_person():
    world = contest("mug")
    make(world, tone(10), tone(12), BAD)
    state = world.one()
    assert (state.stage, state.measured["tone@1"]["contrast"], state.to_do) == (Stage.REVIEW, 12, ())


def test_if_none_is_good_the_next_attempt_has_candidates_too_with_the_patch():
    world = contest("mug")
    make(world, BAD, BAD, BAD)
    state = world.one()
    assert state.attempt == 1
    assert [one.recipe.prompt for one in state.to_do] == ["A mug Bright light."] * 3
    for _ in range(2):
        make(world, BAD, BAD, BAD)
    state = world.one()
    assert (state.stage, len(state.past) + 1) == (Stage.REJECTED, 9)


def test_what_a_person_approved_comes_before_every_score():
    world = contest("mug")
    first = world.one().to_do[0].key
    make(world, BAD, tone(70), tone(80))
    world.reviews[first] = Review("approve", "", "kim", "")
    assert world.one().key == first
    assert world.one().review == world.reviews[first], "the released file tells it"


def test_a_person_can_ask_for_another_attempt_after_all_candidates_are_rejected():
    world = contest("mug")
    world.policy = replace(world.policy, most_attempts=1)
    second = world.one().to_do[1].key
    make(world, BAD, BAD, BAD)
    assert world.one().stage is Stage.REJECTED
    world.reviews[second] = Review("regenerate", "", "kim", "", prompt="A teal mug")
    state = world.one()
    assert [one.recipe.prompt for one in state.to_do] == ["A teal mug"] * 3


def test_the_next_best_takes_the_place_of_one_that_is_nearly_another_image():
    world = contest("a", "b", candidate_policy=CandidatePolicy(2, {"tone.contrast": 1.0}))
    a, b = world.resolve()
    for one in a.to_do:
        world.make(one, tone(50), phash="00000000000000ff")
    world.make(b.to_do[0], tone(90), phash="00000000000000ff")
    world.make(b.to_do[1], tone(60), phash="ffff00000000ffff")
    a, b = world.resolve()
    assert (a.stage, b.stage, b.attempt) == (Stage.POSTPROCESS, Stage.POSTPROCESS, 0)
    assert b.measured["tone@1"]["contrast"] == 60
    assert [str(reason) for past in b.past for reason in past.reasons] == ["near_duplicate: nearly the same image as a"]


def test_if_every_good_candidate_is_nearly_another_image_there_is_another_attempt():
    world = contest("a", "b", candidate_policy=CandidatePolicy(2, {"tone.contrast": 1.0}))
    for state in world.resolve():
        for one in state.to_do:
            world.make(one, tone(50), phash="00000000000000ff")
    _, b = world.resolve()
    assert (b.stage, b.attempt, b.failed_for) == (Stage.GENERATE, 1, ["near_duplicate"] * 2)


def test_more_candidates_than_before_ask_for_just_those():
    world = contest("mug", candidate_policy=CandidatePolicy(2, {"tone.contrast": 1.0}))
    make(world, tone(40), tone(60))
    for state in world.resolve():
        world.journal.last_recipe["mug"] = state.recipe.as_dict()
    world.policy = replace(world.policy, candidate_policy=BRIGHTEST)
    (added,) = world.one().to_do
    assert (added.candidate, str(added.why)) == (2, "candidate added")


def test_without_candidates_a_recipe_is_as_it_was():
    recipe = Recipe("openai", "m", "p", 7)
    assert CandidatePolicy().recipes(recipe) == [recipe]


@given(st.lists(st.tuples(st.booleans(), st.floats(-1e6, 1e6)), min_size=1))
def test_the_best_is_approved_if_any_is_and_none_scores_more(scores):
    order = ranked(scores)
    assert sorted(order) == list(range(len(scores)))
    assert scores[order[0]] == max(scores)
    equals = [place for place, score in enumerate(scores) if score == scores[order[0]]]
    assert order[0] == equals[0]


@pytest.mark.parametrize(
    ("candidates", "where"),
    [
        ({"n": 3}, "candidates"),
        ({"n": 3, "best": {"text.share": -1}}, "candidates.best"),
        ({"n": 0}, "candidates.n"),
    ],
)
def test_a_mistake_is_told(candidates, where):
    campaign = {"campaign": "Shop", "catalog": "c.csv", "prompt": "p", "name": "{sku}", "candidates": candidates}
    with pytest.raises(UserError) as caught:
        load_campaign(campaign)
    assert caught.value.problems[0].where == f"config/config.yaml, {where}"
