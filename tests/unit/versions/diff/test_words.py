"""Word diffs contain both texts, and take a bounded time."""

import itertools
from time import process_time

from hypothesis import given, settings
from hypothesis import strategies as st

from imagemake.versions.diff.words import MAX_CHARACTERS, word_diff


def text_of(parts, left_out):
    return "".join(text for mark, text in parts if mark != left_out)


@settings(max_examples=200, deadline=None)
@given(st.text("ab ,\n", max_size=20) | st.text(max_size=20), st.text("ab ,\n", max_size=20) | st.text(max_size=20))
def test_kept_and_removed_words_are_the_first_text_kept_and_added_ones_the_second(before, after):
    parts = word_diff(before, after)
    assert text_of(parts, "+") == before
    assert text_of(parts, "-") == after
    assert all(one[0] != other[0] for one, other in itertools.pairwise(parts))


def test_neighboring_words_are_told_as_one_change():
    assert word_diff("a red mug on white", "a blue cup on white") == [
        ("=", "a "),
        ("-", "red mug"),
        ("+", "blue cup"),
        ("=", " on white"),
    ]


def test_texts_without_anything_in_common_are_told_whole():
    assert word_diff("x" * 3, "y") == [("-", "xxx"), ("+", "y")]
    one, other = " ".join(f"a{n}" for n in range(5000)), " ".join(f"b{n}" for n in range(5000))
    assert [mark for mark, _ in word_diff(one, other)][:2] == ["-", "+"]


def test_hostile_texts_are_cut_and_take_a_moment_only():
    began = process_time()
    for one, other in (("a " * 10**6, "a b " * 10**6), ("ab" * 10**6, "ba" * 10**6), ("a b" * 3000, "b a" * 3000)):
        assert len(text_of(word_diff(one, other), "+")) <= MAX_CHARACTERS + 1
    assert process_time() - began < 20
