from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagemake.stages.validate import near_duplicates as duplicates
from imagemake.stages.validate import near_pairs as pairs
from imagemake.stages.validate import prints as print_pairs
from imagemake.stages.validate.near_duplicates import first_near, near_duplicates_of_earlier
from imagemake.stages.validate.near_pairs import near_pairs
from imagemake.stages.validate.prints import Alike, Prints


def one_by_one(hashes, max_distance_bits, colors=None, max_color_levels=0):
    """Say what the function promises, as slowly as it can be said."""
    kept, dropped = [], {}
    for row, value in enumerate(hashes):
        for earlier in kept:
            is_near = (int(value) ^ int(hashes[earlier])).bit_count() <= max_distance_bits
            if is_near and colors is not None:
                pairs = zip(colors[row].tolist(), colors[earlier].tolist(), strict=True)
                is_near = all(abs(left - right) <= max_color_levels for left, right in pairs)
            if is_near:
                dropped[row] = earlier
                break
        else:
            kept.append(row)
    return dropped


def dropped_of(hashes, max_distance_bits, colors=None, max_color_levels=0):
    colors = np.zeros((len(hashes), 0), dtype=np.uint8) if colors is None else colors
    return near_duplicates_of_earlier(Prints(hashes, colors), Alike(max_distance_bits, max_color_levels))


def all_pairs(hashes, others, max_distance_bits, *, within=False):
    """Return all near pairs in ascending order, each compared with each."""
    is_near = np.bitwise_count(hashes[:, np.newaxis] ^ others) <= max_distance_bits
    rows, places = np.nonzero(np.triu(is_near, k=1) if within else is_near)
    return list(zip(rows.tolist(), places.tolist(), strict=True))


def found_pairs(hashes, others, max_distance_bits):
    return [
        pair
        for rows, places in near_pairs(hashes, others, max_distance_bits)
        for pair in zip(rows.tolist(), places.tolist(), strict=True)
    ]


@st.composite
def clustered_hashes(draw):
    centers = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4))
    values = []
    for _ in range(draw(st.integers(0, 60))):
        value = draw(st.sampled_from(centers))
        for bit in draw(st.lists(st.integers(0, 63), max_size=8)):
            value ^= 1 << bit
        values.append(value)
    return np.array(values, dtype=np.uint64)


@pytest.fixture(params=["sorting", "comparing all", "sorting until clusters show", "halving", "dividing by colors"])
def way(request, monkeypatch):
    """Force each way to find pairs, whatever would be fastest, and pieces of a few rows."""
    monkeypatch.setattr(pairs, "PAIRS_AT_ONCE", 16)
    monkeypatch.setattr(pairs, "PAIR_NS", 0 if request.param == "comparing all" else 1e12)
    if request.param == "sorting until clusters show":
        monkeypatch.setattr(pairs, "SORT_NS", 0)
        monkeypatch.setattr(pairs, "PAIR_NS", 1)
        monkeypatch.setattr(pairs, "CANDIDATE_NS", 2)
    if request.param == "halving":
        monkeypatch.setattr(duplicates, "MOST_PAIRS_OF_FEW_ROWS", 3)
        monkeypatch.setattr(duplicates, "HELD_PAIRS_PER_ROW", 0)
    if request.param == "dividing by colors":
        monkeypatch.setattr(print_pairs, "DIVIDING_NS", 0)


@pytest.mark.usefixtures("way")
@settings(max_examples=25, deadline=None)
@given(hashes=clustered_hashes(), max_distance_bits=st.sampled_from([0, 1, 3, 4, 6, 7, 8, 11, 12, 63, 64]))
def test_the_answer_is_that_of_comparing_one_by_one(hashes, max_distance_bits):
    assert dropped_of(hashes, max_distance_bits) == one_by_one(hashes, max_distance_bits)


@pytest.mark.usefixtures("way")
@settings(max_examples=15, deadline=None)
@given(hashes=clustered_hashes(), max_distance_bits=st.integers(0, 7), levels=st.integers(0, 3), data=st.data())
def test_with_colors_too_the_answer_is_that_of_comparing_one_by_one(hashes, max_distance_bits, levels, data):
    values = data.draw(st.lists(st.integers(0, 5), min_size=2 * len(hashes), max_size=2 * len(hashes)))
    colors = np.array(values, dtype=np.uint8).reshape(len(hashes), 2)
    found = dropped_of(hashes, max_distance_bits, colors, levels)
    assert found == one_by_one(hashes, max_distance_bits, colors, levels)


def test_at_full_size_the_answer_is_that_of_comparing_one_by_one():
    random = np.random.default_rng(5)
    hashes = random.integers(0, 2**64, 40, dtype=np.uint64)[random.integers(0, 40, 800)]
    for _ in range(6):
        hashes = hashes ^ (np.uint64(1) << random.integers(0, 64, 800).astype(np.uint64))
    for max_distance_bits in (0, 3, 7, 11):
        assert dropped_of(hashes, max_distance_bits) == one_by_one(hashes, max_distance_bits)


def test_of_a_chain_every_other_image_stays():
    chain = np.array([0b0, 0b1, 0b11, 0b111, 0b1111], dtype=np.uint64)
    assert dropped_of(chain, 1) == {1: 0, 3: 2}


def test_the_first_kept_one_is_named_even_if_a_later_one_is_nearer():
    hashes = np.array([0b0, 0b111, 0b11], dtype=np.uint64)
    assert dropped_of(hashes, 2) == {2: 0}


def test_one_shape_in_many_colors_stays_whole_and_costs_no_memory():
    colors = np.zeros((3000, 27), dtype=np.uint8)
    colors[:, 12] = np.arange(3000) % 250
    colors[:, 13] = np.arange(3000) // 250 * 20
    hashes = np.zeros(3000, dtype=np.uint64)
    assert dropped_of(hashes, 6, colors, 0) == {}
    assert len(dropped_of(hashes, 6, colors, 255)) == 2999


def test_twenty_thousand_hashes_in_one_cluster_stay_below_forty_megabytes():
    random = np.random.default_rng(2)
    hashes = np.zeros(20_000, dtype=np.uint64)
    for _ in range(3):
        hashes = hashes ^ (np.uint64(1) << random.integers(0, 64, 20_000).astype(np.uint64))
    tracemalloc.start()
    dropped = dropped_of(hashes, 6)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(dropped) > 19_000
    assert peak_bytes < 40_000_000  # all of their pairs would be 3 GB


@pytest.mark.usefixtures("way")
@settings(max_examples=25, deadline=None)
@given(hashes=clustered_hashes(), max_distance_bits=st.sampled_from([0, 1, 4, 7, 11, 64]))
def test_every_near_pair_within_a_set_is_found_once(hashes, max_distance_bits):
    found = found_pairs(hashes, None, max_distance_bits)
    assert sorted(tuple(sorted(pair)) for pair in found) == all_pairs(hashes, hashes, max_distance_bits, within=True)


@pytest.mark.usefixtures("way")
@settings(max_examples=25, deadline=None)
@given(hashes=clustered_hashes(), max_distance_bits=st.sampled_from([0, 1, 4, 7, 11, 64]), data=st.data())
def test_every_near_pair_between_two_sets_is_found_once(hashes, max_distance_bits, data):
    cut = data.draw(st.integers(0, len(hashes)))
    some, others = hashes[:cut], hashes[cut:]
    assert sorted(found_pairs(some, others, max_distance_bits)) == all_pairs(some, others, max_distance_bits)


@pytest.mark.parametrize("max_distance_bits", [0, 1, 4, 7, 11])
def test_every_near_pair_of_a_few_hundred_hashes_is_found_once(max_distance_bits):
    random = np.random.default_rng(max_distance_bits)
    hashes = random.integers(0, 2**64, 50, dtype=np.uint64)[random.integers(0, 50, 500)]
    for _ in range(max_distance_bits):
        hashes = hashes ^ (np.uint64(1) << random.integers(0, 64, 500).astype(np.uint64))
    found = found_pairs(hashes, None, max_distance_bits)
    assert sorted(tuple(sorted(pair)) for pair in found) == all_pairs(hashes, hashes, max_distance_bits, within=True)


@pytest.mark.usefixtures("way")
@settings(max_examples=15, deadline=None)
@given(hashes=clustered_hashes(), max_distance_bits=st.integers(0, 11), data=st.data())
def test_the_first_near_one_of_an_earlier_release_is_that_of_comparing_one_by_one(hashes, max_distance_bits, data):
    cut = data.draw(st.integers(0, len(hashes)))
    colors = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(hashes), max_size=len(hashes))), np.uint8)
    new = Prints(hashes[:cut], colors[:cut, np.newaxis])
    known = Prints(hashes[cut:], colors[cut:, np.newaxis])
    found = first_near(new, known, Alike(max_distance_bits, 1), lambda row, place: (row + place) % 3 != 0)
    expected = {}
    for row, place in all_pairs(new.hashes, known.hashes, max_distance_bits):
        if (row + place) % 3 and abs(int(new.colors[row, 0]) - int(known.colors[place, 0])) <= 1:
            expected.setdefault(row, place)
    assert found == expected


@pytest.mark.usefixtures("way")
@settings(max_examples=15, deadline=None)
@given(
    hashes=clustered_hashes(),
    bits=st.integers(0, 11),
    levels=st.integers(0, 60),
    flips=st.booleans(),
    seed=st.integers(0, 9),
)
def test_with_mirror_images_every_alike_pair_is_found(hashes, bits, levels, flips, seed):
    random = np.random.default_rng(seed)
    colors = random.integers(0, 100, (5, 27))[random.integers(0, 5, len(hashes))] + random.integers(
        0, 9, (len(hashes), 27)
    )
    prints = Prints(hashes, colors.astype(np.uint8))
    expected = set()
    for other in (prints, prints.mirrored()) if flips else (prints,):
        near = np.bitwise_count(prints.hashes[:, np.newaxis] ^ other.hashes) <= bits
        near &= np.abs(prints.colors[:, np.newaxis].astype(int) - other.colors).max(axis=2, initial=0) <= levels
        expected |= set(zip(*(rows.tolist() for rows in np.nonzero(np.triu(near, k=1))), strict=True))
    alike = Alike(bits, levels, flips)
    found = {
        tuple(sorted(pair))
        for rows, places in alike.pairs(prints, None)
        for pair in zip(rows.tolist(), places.tolist(), strict=True)
    }
    assert found == expected
    cut = len(hashes) // 2
    between = alike.pairs(prints.of(np.arange(cut)), prints.of(np.arange(cut, len(hashes))))
    found = {
        (row, place + cut)
        for rows, places in between
        for row, place in zip(rows.tolist(), places.tolist(), strict=True)
    }
    assert found == {(row, place) for row, place in expected if row < cut <= place}


def test_a_hundred_thousand_images_are_compared_at_the_default_limits_in_seconds():
    random = np.random.default_rng(5)
    hashes = random.integers(0, 2**64, 100_000, dtype=np.uint64)
    colors = random.integers(0, 256, (100_000, 27), dtype=np.uint8)
    hashes[-1] = hashes[0] ^ np.uint64(0b1111111111)
    colors[-1] = np.minimum(colors[0], 239) + np.uint8(16)
    colors[0] = np.minimum(colors[0], 239)
    start_s = time.process_time()
    assert dropped_of(hashes, 10, colors, 16) == {99_999: 0}
    assert time.process_time() - start_s < 6  # 0.6 s; comparing hashes only takes ten times as long


def test_nothing_in_nothing_out():
    assert dropped_of(np.array([], dtype=np.uint64), 6) == {}


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_distance_bits": 65},
        {"max_distance_bits": -1},
        {"max_distance_bits": 6, "max_color_levels": 256},
        {"max_distance_bits": 6, "colors": np.zeros((3, 2), dtype=np.uint8)},
        {"max_distance_bits": 6, "colors": np.zeros(2, dtype=np.uint8)},
    ],
)
def test_what_does_not_fit_is_an_error(arguments):
    with pytest.raises(ValueError, match=r"shape|out of range"):
        dropped_of(np.zeros(2, dtype=np.uint64), **arguments)
