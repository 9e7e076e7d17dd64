"""Where a request stands: what is open and why, and which attempt it is at."""

from dataclasses import replace

import pytest
from world import BAD, GOOD, World

from imagemake.config.checks import Check, Checks, Limit
from imagemake.plan.inventory import KeyHistory
from imagemake.plan.reviews import Review
from imagemake.plan.shown import shown_of
from imagemake.plan.state import Stage
from imagemake.plugins.providers import NOT_FETCHED
from imagemake.stages.validate.earlier_releases import ComparedImage, EarlierImages
from imagemake.store.items import FailureReason, ItemFailure
from imagemake.store.journal import Outcome


@pytest.fixture
def mug():
    return World("mug")


def test_a_request_without_an_image_is_new(mug):
    state = mug.one()
    assert (state.stage, str(state.why), state.attempt) == (Stage.GENERATE, "new", 0)


def test_a_changed_prompt_is_the_reason_that_is_told(mug):
    mug.journal.last_recipe["mug"] = replace(mug.requests[0].recipe, prompt="A cup").as_dict()
    assert str(mug.one().why) == "key changed: prompt"


def test_an_image_goes_from_measuring_to_finishing_to_done(mug):
    stored = mug.make(mug.one())
    measures = mug.measures.pop(stored.digest)
    assert (mug.one().stage, str(mug.one().why)) == (Stage.VALIDATE, "never measured")
    mug.measures[stored.digest] = measures
    assert (mug.one().stage, str(mug.one().why)) == (Stage.POSTPROCESS, "not postprocessed yet")
    mug.postprocess(mug.one())
    assert mug.one().stage is Stage.DONE


def test_an_added_measure_asks_for_measuring_only(mug):
    mug.make(mug.one())
    mug.postprocess(mug.one())
    mug.policy = replace(mug.policy, measures=[*mug.policy.measures, "text@1"])
    assert (mug.one().stage, str(mug.one().why)) == (Stage.VALIDATE, "check added: text")
    mug.policy = replace(mug.policy, measures=["file@1", "tone@2", "phash@1"])
    assert str(mug.one().why) == "measure changed: tone"


def test_changed_steps_ask_for_finishing_only(mug):
    mug.make(mug.one())
    mug.postprocess(mug.one())
    mug.postprocessed_before[mug.one().raw.digest] = {"main"}
    mug.policy = replace(mug.policy, output_keys=lambda digest: {"main": f"other-{digest}"})
    assert (mug.one().stage, str(mug.one().why)) == (Stage.POSTPROCESS, "postprocessing changed")


def test_a_changed_threshold_needs_no_measuring(mug):
    mug.make(mug.one(), tone={"contrast": 10.0})
    assert mug.one().stage is Stage.REVIEW
    mug.policy = replace(mug.policy, checks=Checks({"tone.contrast": Check(reject=Limit(min=5))}))
    assert mug.one().stage is Stage.POSTPROCESS


def test_a_rejected_image_is_tried_again_with_another_seed_and_a_patched_prompt(mug):
    first = mug.one()
    mug.make(first, BAD)
    second = mug.one()
    assert (second.stage, second.attempt, str(second.why)) == (Stage.GENERATE, 1, "attempt 2: tone.contrast")
    assert second.recipe.prompt == "A mug Bright light."
    assert second.recipe.seed != first.recipe.seed
    assert [str(reason) for reason in second.past[0].reasons] == ["tone.contrast: 1, at least 5"]


def test_attempts_end_at_the_most_that_are_allowed(mug):
    for _ in range(3):
        mug.make(mug.one(), BAD)
    state = mug.one()
    assert (state.stage, state.attempt, len(state.past)) == (Stage.REJECTED, 2, 2)
    assert state.recipe.prompt.count("Bright light.") == 1, "a patch is appended once"


def test_a_later_attempt_that_is_good_is_what_is_released(mug):
    mug.make(mug.one(), BAD)
    mug.make(mug.one())
    assert (mug.one().stage, mug.one().attempt) == (Stage.POSTPROCESS, 1)


def test_an_undecodable_image_is_rejected_whatever_else_would_be_measured(mug):
    stored = mug.make(mug.one())
    mug.measures[stored.digest] = {"file@1": {"undecodable": "it is cut off"}}
    assert str(mug.one().why) == "attempt 2: file.undecodable"


def test_a_refused_key_is_never_asked_for_again_without_a_patch(mug):
    mug.journal.keys[mug.one().key] = KeyHistory(calls=1, last=Outcome.REFUSED, message="no")
    assert mug.one().stage is Stage.REFUSED
    mug.policy = replace(mug.policy, patches={"refused": "For children."})
    state = mug.one()
    assert (state.stage, state.recipe.prompt) == (Stage.GENERATE, "A mug For children.")


@pytest.mark.parametrize(
    ("outcome", "why"),
    [(Outcome.FAILED, "failed before"), (Outcome.UNKNOWN, "call without an answer")],
)
def test_what_failed_on_the_way_is_open_again(mug, outcome, why):
    mug.journal.keys[mug.one().key] = KeyHistory(calls=1, last=outcome)
    assert (mug.one().stage, str(mug.one().why)) == (Stage.GENERATE, why)


def test_a_call_without_an_answer_is_held_where_the_user_says_so(mug):
    mug.journal.keys[mug.one().key] = KeyHistory(calls=1, unknown=1, last=Outcome.UNKNOWN)
    mug.policy = replace(mug.policy, hold_unknown=True)
    assert mug.one().stage is Stage.HELD


def test_an_image_that_may_still_come_from_its_url_is_not_paid_for_again(mug):
    history = KeyHistory(calls=1, last=Outcome.UNREADABLE, code=NOT_FETCHED, call="c", message="HTTP 503")
    mug.journal.keys[mug.one().key] = history
    mug.kept = {"c"}
    assert (mug.one().stage, mug.one().attempt, str(mug.one().reasons[0])) == (Stage.KEPT, 0, "unreadable: HTTP 503")
    mug.kept = set()
    assert (mug.one().stage, mug.one().attempt) == (Stage.GENERATE, 1), "its response was deleted"
    mug.kept, history.code = {"c"}, None
    assert (mug.one().stage, mug.one().attempt) == (Stage.GENERATE, 1), "it will not come"


def test_a_lost_image_says_that_it_is_missing_from_the_store(mug):
    mug.journal.keys[mug.one().key] = KeyHistory(calls=1, last=Outcome.MADE, was_made=True)
    assert str(mug.one().why) == "missing from the store"
    mug.damaged.add(mug.one().key)
    assert str(mug.one().why) == "damaged in the store"


def test_what_cannot_be_finished_is_rejected_with_its_reason(mug):
    mug.make(mug.one())
    mug.failed_outputs[mug.one().output_key] = ItemFailure(FailureReason.POSTPROCESS, "narrower than the crop")
    assert [str(reason) for reason in mug.one().reasons] == ["postprocess: narrower than the crop"]
    assert mug.one().stage is Stage.REJECTED


def test_of_near_duplicates_the_name_that_sorts_first_stays():
    world = World("b", "a")
    for state in world.resolve():
        world.make(state, phash="00000000000000ff")
    b, a = world.resolve()
    assert (a.stage, b.stage, b.attempt) == (Stage.POSTPROCESS, Stage.GENERATE, 1)
    assert str(b.past[0].reasons[0]) == "near_duplicate: nearly the same image as a"


def test_of_near_duplicates_the_earlier_attempt_stays():
    world = World("b", "a")
    b, a = world.resolve()
    world.make(b, phash="00000000000000ff")
    world.make(a, BAD)
    world.make(world.resolve()[1], phash="00000000000000fe")
    b, a = world.resolve()
    assert (b.stage, b.attempt) == (Stage.POSTPROCESS, 0)
    assert (a.stage, a.attempt) == (Stage.GENERATE, 2)


def test_the_same_shape_in_another_color_is_no_near_duplicate():
    world = World("b", "a")
    for state, color in zip(world.resolve(), ("80", "a0"), strict=True):
        world.make(state, phash="00000000000000ff", color=color)
    assert [state.stage for state in world.resolve()] == [Stage.POSTPROCESS, Stage.POSTPROCESS]


def test_an_image_that_repeats_an_earlier_release_is_rejected_with_its_name_unless_a_person_approved_it(mug):
    mug.make(mug.one(), phash="00000000000000ff")
    earlier = ComparedImage(name="cup", key="c" * 64, model="preview-1", hash="00000000000000fe", colors="80" * 27)
    mug.policy = replace(mug.policy, earlier=EarlierImages([earlier], ["spring.parquet"]))
    state = mug.one()
    assert (str(state.why), state.attempt) == ("attempt 2: near_duplicate", 1)
    assert str(state.past[0].reasons[0]) == "near_duplicate: nearly the same image as cup of spring.parquet"
    mug.reviews[state.past[0].key] = Review("approve", "", "kim", "2026-11-01")
    assert (mug.one().stage, mug.one().attempt) == (Stage.POSTPROCESS, 0)


def test_what_repeats_an_earlier_release_takes_no_other_image_of_this_one_along():
    world = World("a", "b")
    for state, shown in zip(world.resolve(), ("00000000000000ff", "00000000000000f0"), strict=True):
        world.make(state, phash=shown)
    earlier = ComparedImage(name="cup", key="c" * 64, model="preview-1", hash="0000000000000fff", colors="80" * 27)
    world.policy = replace(world.policy, earlier=EarlierImages([earlier], ["spring.parquet"]))
    a, b = world.resolve()
    assert (a.attempt, b.attempt, b.stage) == (1, 0, Stage.POSTPROCESS)


def test_near_duplicates_are_let_be_where_the_campaign_says_so():
    world = World("b", "a")
    for state in world.resolve():
        world.make(state, phash="00000000000000ff")
    world.policy = replace(world.policy, duplicates=None)
    assert [state.stage for state in world.resolve()] == [Stage.POSTPROCESS, Stage.POSTPROCESS]


@pytest.mark.parametrize(("compares", "stages"), [(True, ["postprocess"] * 2), (False, ["postprocess", "generate"])])
def test_models_that_are_compared_may_give_nearly_the_same_image(compares, stages):
    world = World("a", "b")
    world.requests = [replace(request, model=f"model of {request.name}") for request in world.requests]
    world.policy = replace(world.policy, compares_models=compares)
    for state in world.resolve():
        world.make(state, phash="00000000000000ff")
    assert [state.stage.value for state in world.resolve()] == stages


def test_a_person_overrules_the_machine_both_ways(mug):
    key = mug.one().key
    mug.make(mug.one(), BAD)
    mug.reviews[key] = Review("approve", "meant to be dark", "kim", "2026-11-01")
    assert (mug.one().stage, mug.one().attempt) == (Stage.POSTPROCESS, 0)
    mug.make(mug.one(), GOOD)
    mug.reviews[key] = Review("reject", "wrong handle", "kim", "2026-11-01")
    assert str(mug.one().why) == "attempt 2: review"
    assert str(mug.one().past[0].reasons[0]) == "review: wrong handle"


def again(note="", **words):
    return Review("regenerate", note, "kim", "2026-11-01", **words)


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        ({}, "A mug"),
        ({"patch": "From above."}, "A mug From above."),
        ({"prompt": "A cup"}, "A cup"),
    ],
)
def test_a_person_can_ask_for_another_one_with_another_prompt(mug, words, prompt):
    first = mug.one()
    mug.make(first)
    mug.reviews[first.key] = again(**words)
    state = mug.one()
    assert (state.stage, state.attempt, state.recipe.prompt) == (Stage.GENERATE, 1, prompt)
    assert state.recipe.seed != first.recipe.seed
    assert str(state.past[0].reasons[0]) == "regenerate: a reviewer asked for another image"


def test_an_asked_for_attempt_comes_also_where_no_other_is_left_and_only_one(mug):
    mug.policy = replace(mug.policy, most_attempts=1)
    mug.make(mug.one(), BAD)
    assert mug.one().stage is Stage.REJECTED
    mug.reviews[mug.one().key] = again(patch="From above.")
    assert mug.one().stage is Stage.GENERATE
    mug.make(mug.one(), BAD)
    assert (mug.one().stage, mug.one().attempt) == (Stage.REJECTED, 1)


def test_attempts_after_an_edited_prompt_keep_it_and_get_their_patches_once(mug):
    mug.make(mug.one(), BAD)
    mug.make(mug.one(), {"contrast": 10.0})
    assert mug.one().recipe.prompt == "A mug Bright light."
    mug.reviews[mug.one().key] = again(patch="From above.")
    assert mug.one().recipe.prompt == "A mug Bright light. From above."
    mug.make(mug.one(), BAD)
    mug.policy = replace(mug.policy, most_attempts=9)
    assert mug.one().recipe.prompt == "A mug Bright light. From above."
    mug.reviews[mug.one().past[1].key] = again(prompt="A cup")
    assert mug.one().recipe.prompt == "A cup"
    mug.make(mug.one(), BAD)
    assert mug.one().recipe.prompt == "A cup Bright light."


def test_an_edited_prompt_gets_past_a_refusal(mug):
    key = mug.one().key
    mug.journal.keys[key] = KeyHistory(calls=1, last=Outcome.REFUSED, message="no")
    mug.reviews[key] = again(prompt="A friendly mug")
    assert (mug.one().stage, mug.one().recipe.prompt) == (Stage.GENERATE, "A friendly mug")


@pytest.mark.parametrize("decision", ["reject", "regenerate"])
def test_what_a_person_did_not_want_is_not_bought_again_when_it_is_lost(mug, decision):
    mug.reviews[mug.one().key] = Review(decision, "", "kim", "")
    assert (mug.one().stage, mug.one().attempt) == (Stage.GENERATE, 1)


def test_an_earlier_attempt_can_be_approved(mug):
    first = mug.one()
    mug.make(first, BAD)
    mug.make(mug.one(), BAD)
    mug.reviews[first.key] = Review("approve", "", "kim", "")
    assert (mug.one().stage, mug.one().attempt) == (Stage.POSTPROCESS, 0)


def test_nobody_can_approve_what_cannot_be_decoded_but_ask_for_another_one(mug):
    stored = mug.make(mug.one())
    key = mug.one().key
    mug.measures[stored.digest] = {"file@1": {"undecodable": "it is cut off"}}
    mug.reviews[key] = Review("approve", "", "kim", "")
    assert str(mug.one().why) == "attempt 2: file.undecodable"
    mug.reviews[key] = again()
    assert str(mug.one().why) == "attempt 2: regenerate"


def test_a_decision_about_one_prompt_says_nothing_about_the_next(mug):
    mug.make(mug.one(), {"contrast": 10.0})
    mug.reviews[mug.one().key] = Review("approve", "", "kim", "")
    mug.requests[0] = replace(mug.requests[0], recipe=replace(mug.requests[0].recipe, prompt="A big mug"))
    mug.make(mug.one(), {"contrast": 10.0})
    assert mug.one().stage is Stage.REVIEW


def test_the_order_of_requests_changes_nothing():
    world = World("a", "b", "c")
    for state in world.resolve():
        world.make(state, BAD if state.request.name == "b" else GOOD)
    before = {state.request.name: (state.stage, state.key, state.attempt) for state in world.resolve()}
    world.requests.reverse()
    assert {state.request.name: (state.stage, state.key, state.attempt) for state in world.resolve()} == before


def test_an_image_that_the_hash_failed_on_waits_for_a_person_and_is_no_duplicate():
    world = World("cup", "mug")
    for state in world.resolve():
        world.make(state)
        world.measures[world.raw[state.key].digest]["phash@1"] = {"failed": "odd"}
    states = world.resolve()
    assert [state.stage for state in states] == [Stage.REVIEW] * 2
    world.reviews = {state.key: Review("approve", "", "ann", "now") for state in states}
    assert [state.stage for state in world.resolve()] == [Stage.POSTPROCESS] * 2


@pytest.mark.parametrize(("patches", "goes_on"), [({}, False), ({"tone": "Bright light."}, True)])
def test_an_attempt_that_would_be_the_same_bytes_is_not_bought(mug, patches, goes_on):
    mug.policy = replace(mug.policy, patches=patches, ignores_seed=lambda recipe: True)
    mug.make(mug.one(), BAD)
    state = mug.one()
    assert (state.stage is Stage.GENERATE, state.attempt) == (goes_on, int(goes_on))


def test_a_column_that_no_prompt_names_is_part_of_what_a_release_shows(mug):
    def shown(**columns):
        mug.requests = [replace(mug.requests[0], variables=columns)]
        return shown_of(mug.resolve())

    assert shown(product="mug", remark="old") == shown(product="mug", remark="old")
    assert shown(product="mug", remark="old") != shown(product="mug", remark="new")
