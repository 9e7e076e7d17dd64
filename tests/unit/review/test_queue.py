"""What the review page of an image shows beside it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.similarity import NearDuplicates
from imagemake.plan.state import Stage
from imagemake.review.queue import Queue
from imagemake.review.similar import Fingerprints


def a_state(name: str, *parents: str) -> Any:
    request = SimpleNamespace(name=name, parents=parents, variables={})
    return SimpleNamespace(request=request, key=name, past=[], stage=Stage.DONE, measured={})


def test_an_image_is_shown_with_its_parents_its_children_and_their_other_children_each_once():
    states = [a_state("hero"), a_state("logo"), a_state("a", "hero", "logo"), a_state("b", "hero", "logo")]
    states += [a_state("c", "logo"), a_state("alone"), a_state("detail", "a")]
    policy: Any = None
    queue = Queue.of(states, policy, {})
    of_a = [(words, item.name) for words, item in queue.family(queue.items[2])]
    assert of_a == [
        ("What it is made from", "hero"),
        ("What it is made from", "logo"),
        ("What is made from it", "detail"),
        ("Made from the same image", "b"),
        ("Made from the same image", "c"),
    ]
    assert queue.family(queue.items[5]) == []


HASHES = st.none() | st.integers(0, 2**64 - 1) | st.integers(0, 7)


@given(st.lists(st.tuples(HASHES, st.sampled_from(["00", "05", "ff"])), min_size=1, max_size=8))
def test_images_without_fingerprints_move_no_others(made):
    states = [a_state(str(n)) for n in range(len(made))]
    for state, (number, level) in zip(states, made, strict=True):
        if number is not None:
            state.measured = {"phash@1": {"hash": f"{number:016x}", "colors": level * 27}}
    limits = NearDuplicates(max_distance_bits=3, max_color_levels=6, flips=False)
    fingerprints = Fingerprints(states)
    for place, (number, level) in enumerate(made):
        near = [
            ((number ^ other).bit_count(), at)
            for at, (other, its_level) in enumerate(made)
            if at != place and number is not None and other is not None
            and (number ^ other).bit_count() <= 3 and abs(int(level, 16) - int(its_level, 16)) <= 6
        ]  # fmt: skip
        assert [*fingerprints.near(place, limits)] == [at for _, at in sorted(near)]
