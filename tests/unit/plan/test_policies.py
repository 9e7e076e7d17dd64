"""What follows a rejection by its reason: the same prompt again, another model, or a person."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mugs import problems, requests
from pydantic import ValidationError
from world import BAD, World, routed

from imagemake.config.attempts import Attempts
from imagemake.config.checks import Check, Checks, Limit
from imagemake.core.recipe import derive_seed
from imagemake.plan.reviews import Review
from imagemake.plan.routing import routing_lines
from imagemake.plan.state import Stage
from imagemake.release.manifest.entries import by_people


def with_policy(world, most=3, **policy):
    """Return a world with these policies; a dark image breaks the check `tone`, a blurred one `sharpness`."""
    limit = Check(reject=Limit(min=5))
    checks = Checks({"tone.contrast": limit, "sharpness.focus": limit})
    attempts = Attempts(max=most, policy=policy)
    world.policy = replace(world.policy, attempts=attempts, most_attempts=most, checks=checks)
    world.policy = replace(world.policy, measures=[*world.policy.measures, "sharpness@1"])
    return world


def make(world, focus=50.0, **measured):
    stored = world.make(world.one(), **measured)
    world.measures[stored.digest]["sharpness@1"] = {"focus": focus}
    return stored


def decided(world):
    return [approved for state in world.resolve() for approved in by_people(state)]


def test_regenerate_asks_for_the_same_prompt_with_another_seed_and_patch_does_not():
    keys = {}
    for remedy in ("regenerate", "patch"):
        world = with_policy(World("mug"), tone=remedy)
        make(world, tone=BAD)
        state = world.one()
        keys[remedy] = state.key
        assert (state.stage, state.made_by) == (Stage.GENERATE, remedy)
        assert state.recipe.seed == derive_seed(0, "attempt", 1)
        assert state.recipe.prompt == ("A mug" if remedy == "regenerate" else "A mug Bright light.")
    assert keys["regenerate"] != keys["patch"]


def test_regenerate_keeps_the_patches_of_earlier_attempts_and_adds_none_later():
    world = with_policy(World("mug"), most=4, sharpness="regenerate")
    world.policy = replace(world.policy, patches={"tone": "Bright light.", "sharpness": "Sharp."})
    prompts = []
    for fault in ({"tone": BAD}, {"focus": 1.0}, {"tone": BAD}):
        make(world, **fault)
        prompts.append((world.one().made_by, world.one().recipe.prompt))
    patched = "A mug Bright light."
    assert prompts == [("patch", patched), ("regenerate", patched), ("patch", patched)]
    assert len({past.key for past in world.one().past}) == 3


def test_a_model_that_ignores_seeds_is_not_asked_for_the_same_bytes_again():
    world = with_policy(World("mug"), tone="regenerate")
    world.policy = replace(world.policy, ignores_seed=lambda recipe: True)
    make(world, tone=BAD)
    assert world.one().stage is Stage.REJECTED


def test_a_refused_prompt_is_not_regenerated():
    with pytest.raises(ValidationError, match="refused again"):
        Attempts(policy={"refused": "regenerate"})


def test_next_model_makes_the_next_attempt_and_a_rerun_pays_nothing_for_it():
    world = with_policy(routed(), tone="next_model")
    make(world, tone=BAD)
    state = world.one()
    assert (state.request.model, state.attempt, state.made_by) == ("b", 1, "next_model")
    assert state.recipe == world.requests[0].routes[1].recipe
    assert str(state.why) == "attempt 2, next model: tone.contrast"
    assert list(routing_lines([state], world.journal)) == ["  b makes 1 image anew, rejected as made by a."]
    make(world)
    world.journal.keys.clear()
    again = world.one()
    assert (again.key, again.stage, again.made_by) == (state.key, Stage.POSTPROCESS, "next_model")


def test_another_reason_stays_with_its_model_and_the_last_one_goes_on_by_patches():
    world = with_policy(routed(), most=2, tone="next_model")
    told = []
    for fault in ({"focus": 1.0}, {"tone": BAD}, {"tone": BAD}, {"tone": BAD}, {"tone": BAD}):
        make(world, **fault)
        told.append((world.one().request.model, world.one().made_by, world.one().stage))
    goes_on = Stage.GENERATE
    expected = [("a", "patch"), ("b", "next_model"), ("c", "next_model"), ("c", "patch")]
    assert told == [*((*one, goes_on) for one in expected), ("c", "patch", Stage.REJECTED)]


def test_next_model_needs_a_list_of_models():
    policy = {"attempts": {"policy": {"tone": "next_model"}}}
    assert problems(**policy) == [("config/config.yaml, attempts.policy.tone", "no request has a next model.")]
    more = {"more_models": {"flux": {"provider": "openai", "name": "flux-dev", "base_url": "http://localhost:8000/v1"}}}
    assert requests(**policy, **more, model_rules=[{"model": ["gpt-image-2", "flux"]}])


@pytest.mark.parametrize(("policy", "counted"), [("person", [True]), ("patch", [])])
def test_what_people_approve_is_counted_where_the_policy_asks_them(policy, counted):
    world = with_policy(World("mug"), tone=policy)
    make(world, tone=BAD)
    world.reviews[world.requests[0].recipe.key()] = Review("approve", "", "Ann", "")
    assert world.one().is_accepted
    assert decided(world) == counted


def test_what_people_reject_is_counted_and_the_next_attempt_is_not():
    world = with_policy(World("mug"), tone="person")
    make(world, tone=BAD)
    assert decided(world) == [], "nobody has decided yet"
    world.reviews[world.one().key] = Review("reject", "", "Ann", "")
    assert (world.one().stage, decided(world)) == (Stage.GENERATE, [False])
