"""What the calls for one key come to in a release."""

from types import SimpleNamespace

import pytest
from world import World

from imagemake.config.validation import Validation
from imagemake.release.manifest.calls import Calls
from imagemake.release.manifest.entries import Entries
from imagemake.store.journal import Call, Journal
from imagemake.store.store import Store


def calls_of(*ended):
    calls = Calls()
    for outcome, cost_usd, worst_usd in ended:
        closed = None if outcome is None else {"outcome": outcome, "cost_usd": cost_usd}
        calls.add(Call({"key": "k", "worst_usd": worst_usd}, closed))
    return calls


@pytest.mark.parametrize(
    ("ended", "cost_usd", "unknown", "worst_usd"),
    [
        ([("made", 0.04, 0.1)], 0.04, 0, None),
        ([("made", 0.04, 0.1), ("made", 0.05, 0.1)], 0.09, 0, None),  # bought again after it was lost
        ([("failed", None, 0.1)], 0.0, 0, None),
        ([("made", None, None)], None, 0, None),
        ([("made", 0.04, 0.1), ("made", None, 0.1)], None, 0, None),
        ([(None, None, 0.1)], None, 1, 0.1),
        ([("unknown", None, 0.1), ("made", 0.04, 0.1)], 0.04, 1, 0.1),
        ([("unknown", None, None), ("unknown", None, 0.1), ("failed", None, 0.1)], 0.0, 2, None),
        ([(None, None, 0.0), ("made", 0.0, 0.0)], 0.0, 0, None),  # nobody bills a free provider's call
    ],
)
def test_every_call_for_a_key_counts_and_those_without_an_answer_apart(ended, cost_usd, unknown, worst_usd):
    calls = calls_of(*ended)
    assert calls.cost_usd == pytest.approx(cost_usd)
    assert (calls.unknown_calls, calls.unknown_worst_usd) == (unknown, worst_usd)


def test_the_call_that_made_the_image_is_told_whatever_failed_after_it():
    assert calls_of(("made", 0.04, 0.1), ("failed", None, 0.1)).outcome == "made"


def test_an_image_that_waits_in_a_batch_has_not_failed(tmp_path):
    store, world = Store(tmp_path), World("mug")
    key = world.one().key
    world.submission_of[key] = "s"
    Journal(store.journal_folder, "job", durable=False).sent(key=key, submission="s")
    target = SimpleNamespace(campaign=SimpleNamespace(validation=Validation()), made_at="")
    entry = Entries(target, store, ()).entry(world.one())
    assert (entry.verdict, entry.reasons) == ("pending", ("generate: waiting in a batch",))
