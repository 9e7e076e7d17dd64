"""Near-duplicates among all images: what is rejected, what a person is asked, and what review is told."""

from dataclasses import replace

import pytest
from world import GOOD, World

from imagemake.config.similarity import NearDuplicates
from imagemake.plan.candidates import CandidatePolicy
from imagemake.plan.reviews import Review
from imagemake.plan.state import Stage
from imagemake.stages.validate.earlier_releases import ComparedImage, EarlierImages
from imagemake.stages.validate.prints import MIRRORED_BITS

SHAPE = 0x00FF00FF00FF00FF
NEAR = f"{SHAPE ^ 0b111111:016x}"  # six bits: no mere encoding
SAME = f"{SHAPE ^ 0b1:016x}"
MIRRORED = f"{SHAPE ^ MIRRORED_BITS ^ 0b11:016x}"
SHAPE = f"{SHAPE:016x}"
DOUBTFUL = {"contrast": 10.0}


def a_world(*names, **limits):
    world = World(*names)
    world.policy = replace(world.policy, duplicates=NearDuplicates(**limits))
    return world


def made(world, *hashes, tones=None):
    for state, shown, tone in zip(world.resolve(), hashes, tones or [GOOD] * len(hashes), strict=True):
        world.make(state, tone, phash=shown)
    return world.resolve()


def told(state):
    return [str(reason) for reason in state.reasons]


def test_what_is_changed_by_more_than_encoding_is_asked_about_and_buys_nothing():
    a, b = made(a_world("a", "b"), SHAPE, NEAR)
    assert (a.stage, b.stage, b.attempt) == (Stage.POSTPROCESS, Stage.REVIEW, 0)
    assert told(b) == ["near_duplicate: nearly the same image as a"]


@pytest.mark.parametrize(
    ("limits", "shown", "color", "stage"),
    [
        ({}, SAME, "80", Stage.GENERATE),
        ({}, SAME, "86", Stage.GENERATE),
        ({}, SAME, "87", Stage.REVIEW),
        ({}, NEAR, "90", Stage.REVIEW),
        ({}, NEAR, "91", Stage.POSTPROCESS),
        ({"outcome": "reject"}, NEAR, "90", Stage.GENERATE),
        ({"max_distance_bits": 4}, NEAR, "80", Stage.POSTPROCESS),
        ({}, MIRRORED, "80", Stage.REVIEW),
        ({"outcome": "reject"}, MIRRORED, "80", Stage.GENERATE),
        ({"flips": False}, MIRRORED, "80", Stage.POSTPROCESS),
    ],
)
def test_limits_flips_and_outcome_decide_what_happens_to_the_second_image(limits, shown, color, stage):
    world = a_world("a", "b", **limits)
    a, b = world.resolve()
    world.make(a, phash=SHAPE)
    world.make(b, phash=shown, color=color)
    a, b = world.resolve()
    assert (a.stage, b.stage) == (Stage.POSTPROCESS, stage)


def test_a_mirror_image_is_called_one():
    _, b = made(a_world("a", "b"), SHAPE, MIRRORED)
    assert told(b) == ["near_duplicate: nearly the same image as a, mirrored"]


def test_images_that_await_review_are_told_what_they_repeat_and_stay_there():
    world = a_world("good", "a", "b", "c")
    good, a, b, c = made(world, SHAPE, SAME, NEAR, "f0f0f0f0f0f0f0f0", tones=[GOOD, DOUBTFUL, DOUBTFUL, DOUBTFUL])
    assert [state.stage for state in (good, a, b, c)] == [Stage.POSTPROCESS, *[Stage.REVIEW] * 3]
    assert told(a) == ["tone.contrast: 10, at least 20", "near_duplicate: nearly the same image as good"]
    assert told(b)[1:] == ["near_duplicate: nearly the same image as good"]
    assert len(told(c)) == 1


def test_of_two_that_await_review_the_second_names_the_first():
    a, b = made(a_world("a", "b"), SHAPE, SAME, tones=[DOUBTFUL, DOUBTFUL])
    assert (len(told(a)), told(b)[1]) == (1, "near_duplicate: nearly the same image as a")


def test_an_image_that_awaits_review_is_told_what_it_repeats_of_an_earlier_release():
    world = a_world("a")
    earlier = ComparedImage(name="cup", key="c" * 64, model="preview-1", hash=MIRRORED, colors="80" * 27)
    world.policy = replace(world.policy, earlier=EarlierImages([earlier], ["spring.parquet"]))
    (a,) = made(world, SHAPE, tones=[DOUBTFUL])
    assert told(a)[1] == "near_duplicate: nearly the same image as cup of spring.parquet, mirrored"


def test_who_approves_the_second_image_has_no_more_questions_about_the_pair():
    world = a_world("a", "b")
    _, b = made(world, SHAPE, NEAR)
    world.reviews[b.key] = Review("approve", "", "kim", "2026-11-01")
    assert [state.stage for state in world.resolve()] == [Stage.POSTPROCESS, Stage.POSTPROCESS]


def test_an_approved_image_still_speaks_against_later_ones_and_against_the_same_one():
    world = a_world("a", "b", "c")
    states = world.resolve()
    for state, shown in zip(states, (SAME, SHAPE, NEAR), strict=True):
        world.make(state, phash=shown)
    world.reviews[states[1].key] = Review("approve", "", "kim", "2026-11-01")
    a, b, c = world.resolve()
    assert (a.stage, b.stage, c.stage) == (Stage.GENERATE, Stage.POSTPROCESS, Stage.REVIEW)
    assert told(c) == ["near_duplicate: nearly the same image as b"]


def test_another_good_candidate_takes_the_place_of_a_doubtful_pair():
    world = a_world("a", "b")
    world.policy = replace(world.policy, candidate_policy=CandidatePolicy(2, {"tone.contrast": 1.0}))
    a, b = world.resolve()
    for one in a.to_do:
        world.make(one, phash=SHAPE)
    world.make(b.to_do[0], {"contrast": 90.0}, phash=NEAR)
    world.make(b.to_do[1], {"contrast": 60.0}, phash="f0f0f0f0f0f0f0f0")
    a, b = world.resolve()
    assert (b.stage, b.attempt, b.measured["tone@1"]["contrast"]) == (Stage.POSTPROCESS, 0, 60.0)
