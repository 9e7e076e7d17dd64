"""Attempts whose prompt a text model writes: where a request stands before and after, and what policies do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from world import BAD, GOOD, World

from imagemake.config.attempts import Attempts
from imagemake.core.recipe import derive_seed
from imagemake.plan.inventory import KeyHistory
from imagemake.plan.state import Stage
from imagemake.store.journal import Outcome


class Answers:
    """Answers in memory, by the key that they are about."""

    def __init__(self):
        self.kept, self.by_key = self, {}

    def about(self, key):
        return self.by_key.get(key, [])


def rewriting(*names, policy=None, **rules):
    """Return a world in which prompts are rewritten."""
    world = World(*names or ("mug",))
    attempts = Attempts(max=3, rewrite={"model": "gpt-6-luna", **rules}, policy=policy or {})
    world.policy = replace(world.policy, attempts=attempts, rewriter=attempts.rewrite.asker())
    world.answers = Answers()
    return world


def answer(world, state, **told):
    """Keep what the model answers to the call that a request stands at."""
    (call,) = state.to_do
    world.answers.by_key[state.key] = [{"asked": dict(call.recipe.parameters), "answers": [told]}]


def test_a_rejected_image_waits_for_its_prompt_and_then_is_made_from_it():
    world = rewriting()
    world.make(world.one(), tone=BAD)
    state = world.one()
    assert (state.stage, str(state.why)) == (Stage.REWRITE, "rejected: tone.contrast")
    (call,) = state.to_do
    assert call.key != state.key
    assert (call.stage, call.recipe.model, call.raw) == (Stage.REWRITE, "gpt-6-luna", None)
    answer(world, state, prompt="A bright mug")
    state = world.one()
    assert (state.stage, str(state.why)) == (Stage.GENERATE, "attempt 2, rewritten: tone.contrast")
    assert state.recipe.prompt == "A bright mug"
    assert state.recipe.seed == derive_seed(0, "attempt", 1)
    assert (state.made_by, type(state.made_by)) == ("rewrite", str), "metrics have it as a key in JSON"


def test_the_next_rejection_rewrites_the_rewritten_prompt_and_the_last_one_asks_nothing():
    world = rewriting()
    for prompt in ("A bright mug", "A very bright mug"):
        world.make(world.one(), tone=BAD)
        answer(world, world.one(), prompt=prompt)
    state = world.one()
    assert state.recipe.prompt == "A very bright mug"
    assert [(past.made_by, past.recipe.prompt) for past in state.past] == [("", "A mug"), ("rewrite", "A bright mug")]
    world.make(state, tone=BAD)
    state = world.one()
    assert (state.stage, state.to_do) == (Stage.REJECTED, ())


def test_an_unusable_rewrite_falls_back_to_the_patch_and_says_why():
    world = rewriting(keep=["mug"])
    world.make(world.one(), tone=BAD)
    answer(world, world.one(), prompt="A bright cup")
    state = world.one()
    assert str(state.why) == "attempt 2, not rewritten (the rewrite lacks 'mug'): tone.contrast"
    assert (state.recipe.prompt, state.made_by) == ("A mug Bright light.", "patch")


def test_a_good_image_and_a_patched_reason_ask_nobody():
    world = rewriting("mug", "hat", policy={"tone": "patch"})
    mug, hat = world.resolve()
    world.make(mug, tone=BAD)
    world.make(hat, tone=GOOD)
    mug, hat = world.resolve()
    assert (mug.stage, mug.recipe.prompt, mug.made_by) == (Stage.GENERATE, "A mug Bright light.", "patch")
    assert hat.stage is Stage.POSTPROCESS


def test_the_policy_person_ends_at_a_review_and_not_at_a_call():
    world = rewriting(policy={"tone.contrast": "person"})
    world.make(world.one(), tone=BAD)
    state = world.one()
    assert (state.stage, state.to_do) == (Stage.REVIEW, ())
    assert state.reasons[0].code == "tone.contrast"


def test_without_a_section_keys_of_attempts_stay_what_they_are():
    plain, other = World("mug"), World("mug")
    other.policy = replace(other.policy, attempts=Attempts(max=3))
    for world in (plain, other):
        world.make(world.one(), tone=BAD)
    assert plain.one().key == other.one().key
    assert plain.one().recipe.prompt == "A mug Bright light."


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("judge.color", "rewrite"),
        ("tone.contrast", "rewrite"),
        ("review", "rewrite"),
        ("refused", "patch"),
        ("file.size", "patch"),
        ("near_duplicate", "patch"),
    ],
)
def test_only_reasons_that_words_can_mend_are_rewritten_by_default(code, remedy):
    assert Attempts(rewrite={"model": "m"}).remedy(code) == remedy
    assert Attempts().remedy(code) == "patch"


def test_a_call_that_may_have_been_billed_is_held_and_not_repeated_blindly():
    world = rewriting()
    world.policy = replace(world.policy, hold_unknown=True)
    world.make(world.one(), tone=BAD)
    (call,) = world.one().to_do
    world.journal.keys[call.key] = KeyHistory(calls=1, unknown=1, last=Outcome.UNKNOWN)
    state = world.one()
    assert (state.stage, state.to_do) == (Stage.HELD, ())
    world.policy = replace(world.policy, hold_unknown=False)
    assert world.one().stage is Stage.REWRITE
