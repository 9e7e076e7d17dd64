"""What the review page of an image shows beside it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from imagemake.plan.state import Stage
from imagemake.review.queue import Queue


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
