"""What happens when memory runs out: decisions only, with cards that exist in no computer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.plugins.providers.diffusers.ladder import GOOD_CALLS, Ladder, Rung, rungs_of

ON_CARD = rungs_of("auto", None, has_gpu=True)
NEEDS = {"no": (8, 4), "model": (4, 4), "sequential": (1, 4)}  # for the model, and for each image


def fits(rung, n, free):
    model, image = NEEDS[rung.offload]
    return model + n * (image // 2 if rung.tiled else image) <= free


def run(ladder, free, calls=40):
    """Return the sizes of the calls that worked, and how often memory ran out."""
    made, failures = [], 0
    for _ in range(calls):
        n = ladder.batch
        if fits(ladder.way, n, free):
            made.append(n)
            ladder.went_well(n)
            continue
        failures += 1
        if not ladder.ran_out(n):
            break
    return made, failures


def test_offloading_comes_before_tiles_which_change_pixels():
    assert (
        Rung("no", tiled=False),
        Rung("model", tiled=False),
        Rung("model", tiled=True),
        Rung("sequential", tiled=True),
    ) == ON_CARD


@pytest.mark.parametrize(
    ("offload", "tiling", "has_gpu", "expected"),
    [
        ("auto", None, False, [("no", False), ("no", True)]),
        ("auto", False, True, [("no", False), ("model", False), ("sequential", False)]),
        ("auto", True, True, [("no", True), ("model", True), ("sequential", True)]),
        ("no", None, True, [("no", False), ("no", True)]),
        ("sequential", None, True, [("sequential", False), ("sequential", True)]),
    ],
)
def test_what_the_user_says_about_offload_and_tiles_holds(offload, tiling, has_gpu, expected):
    assert list(rungs_of(offload, tiling, has_gpu=has_gpu)) == expected


@given(st.integers(1, 64), st.integers(1, 300))
def test_images_are_made_as_long_as_one_fits_in_any_way(most, free):
    ladder = Ladder(ON_CARD, most)
    made, failures = run(ladder, free)
    assert bool(made) == fits(ON_CARD[-1], 1, free)
    assert ladder.is_exhausted == (not made)
    assert all(n <= most for n in made)
    assert failures <= 14 * len(ON_CARD)


@given(st.integers(1, 64), st.integers(1, 300))
def test_after_a_while_calls_are_as_large_as_memory_allows(most, free):
    ladder = Ladder(ON_CARD, most)
    made, _ = run(ladder, free, calls=200)
    if made:
        largest = max(n for n in range(1, most + 1) if fits(ladder.way, n, free))
        assert max(made[-2 * GOOD_CALLS :]) == largest


def test_memory_that_came_back_is_used_again():
    ladder = Ladder(ON_CARD, 16)
    run(ladder, 8 + 4 * 5, calls=10)
    assert ladder.batch == 5
    made, failures = run(ladder, 8 + 4 * 16, calls=2 * GOOD_CALLS)
    assert (max(made), failures) == (16, 0)


def test_a_call_that_was_not_full_says_nothing_about_a_larger_one():
    ladder = Ladder(ON_CARD, 8)
    ladder.ran_out(8)
    ladder.went_well(2)
    assert ladder.batch == 4


def test_the_next_job_begins_where_the_last_one_ended():
    first, free = Ladder(ON_CARD, 8), 11
    run(first, free)
    second = Ladder(ON_CARD, 8)
    second.remember(first.as_dict(free), free)
    assert (second.way, second.batch) == (Rung("model", tiled=False), 1)
    assert run(second, free, calls=GOOD_CALLS - 1)[1] == 0


def test_with_more_free_memory_all_is_tried_again():
    first = Ladder(ON_CARD, 8)
    run(first, 16)
    second = Ladder(ON_CARD, 8)
    second.remember(first.as_dict(16), 80)
    assert (second.way, second.batch) == (ON_CARD[0], 8)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
    | st.fixed_dictionaries(
        {},
        optional={name: st.none() | st.integers() | st.text() for name in ("way", "batch", "too_many", "free_bytes")},
    )
)
def test_a_record_that_makes_no_sense_is_ignored(record):
    ladder = Ladder(ON_CARD, 8)
    ladder.remember(record, 0)
    assert (ladder.way, ladder.batch) == (ON_CARD[0], 8)
