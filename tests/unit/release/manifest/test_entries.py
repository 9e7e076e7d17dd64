"""What the calls for one key come to in a release."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from world import BAD, World

from imagemake.config.validation import Validation
from imagemake.release.manifest.calls import Calls
from imagemake.release.manifest.entries import Entries
from imagemake.store.answers import answer_key, prompt_digest
from imagemake.store.journal import Call, Journal, Outcome
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


def test_only_calls_about_images_and_prompts_of_the_release_are_part_of_its_cost(tmp_path):
    store, world = Store(tmp_path), World("mug", "hat")
    rejected = world.make(world.resolve()[0], tone=BAD)
    mug, hat = world.resolve()
    mug.raw, hat.raw = (replace(rejected, digest=digit * 64) for digit in "ab")
    journal = Journal(store.journal_folder, "job", durable=False)
    about = {
        "judge": [mug.raw.digest, rejected.digest, hat.raw.digest, "c" * 64],
        "questions": [prompt_digest("A mug"), prompt_digest("A hat")],
        "rewrite": [rejected.key, hat.key],
    }
    for kind, digests in about.items():
        for digest in digests:
            call = journal.sent(key=answer_key(digest, mug.recipe), kind=kind, campaign="another", recipe={})
            journal.closed(call, outcome=Outcome.MADE, cost_usd=0.01)
    target = SimpleNamespace(campaign=SimpleNamespace(validation=Validation()), made_at="")
    entries = Entries(target, store, (), [mug])
    assert (entries.asked.calls, entries.rewrites.calls) == (3, 1), "earlier attempts count, other images do not"
    assert Entries(target, store, ()).asked.calls == 0


def test_an_image_that_waits_in_a_batch_has_not_failed(tmp_path):
    store, world = Store(tmp_path), World("mug")
    key = world.one().key
    world.submission_of[key] = "s"
    Journal(store.journal_folder, "job", durable=False).sent(key=key, submission="s")
    target = SimpleNamespace(campaign=SimpleNamespace(validation=Validation()), made_at="")
    entry = Entries(target, store, ()).entry(world.one())
    assert (entry.verdict, entry.reasons) == ("pending", ("generate: waiting in a batch",))


def test_the_mask_of_a_repair_is_told_by_its_digest_and_that_of_the_campaign_by_its_path_too(tmp_path):
    state = World("mug").one()
    target = SimpleNamespace(campaign=SimpleNamespace(validation=Validation()), made_at="")
    entries = Entries(target, Store(tmp_path), ())
    state.request = replace(state.request, attached=state.request.attached._replace(mask="m.png", mask_digest="a" * 64))
    told = {}
    for digest in ("a" * 64, "b" * 64, None):  # the campaign's, one of a repair, and a repair of the whole image
        state.recipe = replace(state.recipe, mask=digest)
        entry = entries.entry(state)
        told[digest] = (entry.mask, entry.mask_digest)
    assert told == {"a" * 64: ("m.png", "a" * 64), "b" * 64: (None, "b" * 64), None: (None, None)}
