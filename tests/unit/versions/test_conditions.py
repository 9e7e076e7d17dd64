"""What the journal says about an image that was made again."""

import pytest

from imagemake.store.journal import Journal, Outcome
from imagemake.versions.conditions import conditions


def said(tmp_path, first, again, *, same=True):
    journal = Journal(tmp_path, "j", durable=False)
    for key, fields in (("a" * 64, first), ("b" * 64, again)):
        call = journal.sent(key=key, name="mug", campaign="c")
        if fields is not None:
            journal.closed(call, Outcome.MADE, key=key, **fields)
    journal.close()
    return conditions(tmp_path, "a" * 64, "b" * 64, same=same)


ALONE, OF_EIGHT = {"usage": {"batch": 1}, "model_used": "torch 2"}, {"usage": {"batch": 8}, "model_used": "torch 2"}


@pytest.mark.parametrize(
    ("same", "words"), [(True, "whatever its neighbors are"), (False, "rounds otherwise in batches")]
)
def test_a_batch_of_the_original_tells_whether_neighbors_matter(tmp_path, same, words):
    (line,) = said(tmp_path, OF_EIGHT, ALONE, same=same)
    assert line.startswith("The original was one of 8 images in a batch, and this one was made alone: here")
    assert words in line


def test_other_versions_are_named_and_nothing_is_said_about_batches_then(tmp_path):
    lines = said(tmp_path, OF_EIGHT, {**ALONE, "model_used": "torch 3"})
    assert lines == ["Made by torch 3; the original by torch 2."]


@pytest.mark.parametrize("first", [ALONE, {}, {"usage": {"batch": "many"}, "model_used": "torch 2"}, None])
def test_nothing_is_said_where_nothing_is_known_or_nothing_differs(tmp_path, first):
    assert said(tmp_path, first, {} if first == {} else ALONE) == []
