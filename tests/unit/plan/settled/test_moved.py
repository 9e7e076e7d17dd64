"""Claims about where rows went."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imagemake.plan.settled.moved import moved

rows = st.lists(st.integers(0, 30), max_size=20)


def digests(numbers):
    return np.array([number.to_bytes(16, "big") for number in numbers], "V16")


def places(before, now):
    return moved(digests(before), digests(now)).tolist()


@settings(max_examples=500)
@given(rows, rows)
def test_each_row_is_found_once_wherever_it_went(before, now):
    found = places(before, now)
    taken = [place for place in found if place >= 0]
    assert len(taken) == len(set(taken))
    assert all(place < 0 or now[place] == one for one, place in zip(before, found, strict=True))
    distinct = Counter(set(before)) & Counter(set(now))
    assert {now[place] for place in taken} == set(distinct)


def test_rows_around_an_edit_stay_and_those_after_an_insert_move():
    assert places([1, 2, 3, 4], [1, 9, 3, 4]) == [0, -1, 2, 3]
    assert places([1, 2, 3], [9, 1, 2, 3]) == [1, 2, 3]
    assert places([1, 2, 3], [3, 2, 1]) == [2, 1, 0]
    assert places([1, 2, 3], [1, 3]) == [0, -1, 1]
    assert places([], [1]) == []
