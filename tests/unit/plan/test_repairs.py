"""Attempts that change the rejected image instead of making it anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError
from world import BAD, World

from imagemake.config.attempts import Attempts
from imagemake.config.checks import Check, Checks, Limit
from imagemake.core.recipe import derive_seed
from imagemake.plan.parents import raw_of_parents
from imagemake.plan.state import Stage

BRIGHTEN = {"tone": "Brighten the {product}."}


def repairing(*, takes=True, **attempts):
    """Return a world whose dark images are repaired."""
    world = World("mug")
    world.requests = [replace(one, variables={"product": "mug"}) for one in world.requests]
    section = Attempts(max=4, **{"repair": BRIGHTEN, **attempts})
    policy = replace(world.policy, attempts=section, most_attempts=4, can_repair=lambda state: takes)
    world.policy = policy
    return world


def test_the_rejected_image_is_sent_back_with_the_instruction_and_is_in_the_key():
    world = repairing()
    stored = world.make(world.one(), tone=BAD)
    state = world.one()
    assert (state.stage, state.made_by) == (Stage.GENERATE, "repair")
    assert str(state.why) == "attempt 2, repaired: tone.contrast"
    assert state.recipe.prompt == "Brighten the mug.\nA mug"
    assert (state.recipe.references, state.recipe.mask) == ((stored.digest,), None)
    assert state.recipe.seed == derive_seed(0, "attempt", 1)
    assert state.prompt == "A mug"
    assert raw_of_parents([state]) == [stored], "the job finds the image among those to send"
    key = state.key
    world.measures[stored.digest]["tone@1"] = {"contrast": 2.0}
    assert world.one().key == key, "another value below the limit is the same repair"
    world.raw[stored.key] = replace(stored, digest="e" * 64)
    world.measures["e" * 64] = world.measures[stored.digest]
    assert world.one().key != key, "other bytes are another image to repair"


def test_instructions_of_all_reasons_are_sent_together_and_each_once():
    world = repairing(repair={**BRIGHTEN, "sharpness.focus": "Sharpen it."})
    focus = Check(reject=Limit(min=5))
    checks = Checks({"sharpness.focus": focus, "tone.contrast": focus, "tone.mean": focus})
    world.policy = replace(world.policy, checks=checks, measures=[*world.policy.measures, "sharpness@1"])
    stored = world.make(world.one(), tone={"contrast": 1.0, "mean": 1.0})
    world.measures[stored.digest]["sharpness@1"] = {"focus": 1.0}
    assert world.one().recipe.prompt == "Sharpen it. Brighten the mug.\nA mug"


def test_what_a_repair_made_is_not_repaired_again_but_made_anew():
    world = repairing()
    for _ in range(2):
        world.make(world.one(), tone=BAD)
    state = world.one()
    assert (state.made_by, state.recipe.prompt) == ("patch", "A mug Bright light.")
    assert (state.recipe.references, state.repaired) == ((), None)
    assert [past.made_by for past in state.past] == ["", "repair"]


@pytest.mark.parametrize(
    "world",
    [repairing(takes=False), repairing(policy={"tone": "patch"}), repairing(repair={"sharpness": "Sharpen it."})],
    ids=["the model takes no image", "another policy", "another reason"],
)
def test_without_a_way_to_repair_the_image_is_made_anew(world):
    world.make(world.one(), tone=BAD)
    state = world.one()
    assert (state.made_by, state.recipe.prompt) == ("patch", "A mug Bright light.")


def test_a_file_that_no_provider_takes_is_not_sent():
    world = repairing()
    stored = world.make(world.one(), tone=BAD)
    world.raw[stored.key] = replace(stored, extension="gif")
    assert world.one().made_by == "patch"


def test_a_policy_without_an_instruction_is_told():
    with pytest.raises(ValidationError, match="no instruction"):
        Attempts(policy={"tone": "repair"})
