"""Images that are made from images: when they are due, what their key holds, and what they wait for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import BAD, World

from imagemake.plan.candidates import CandidatePolicy
from imagemake.plan.inventory import KeyHistory
from imagemake.plan.parents import waiting_lines, waits_for_person, waits_for_run, why_waiting
from imagemake.plan.requests.references import Attached
from imagemake.plan.reviews import Review
from imagemake.plan.state import Stage
from imagemake.store.journal import Outcome

APPROVED = Review("approve", "", "me", "")


def family(**parents):
    """A world in which each name is made from others."""
    world = World(*parents)
    for place, names in enumerate(parents.values()):
        sent = tuple(f"image:{name}" for name in names)
        request = world.requests[place]
        recipe = replace(request.recipe, references=sent)
        world.requests[place] = replace(request, recipe=recipe, attached=Attached(sent, sent, parents=tuple(names)))
    return world


def by_name(world):
    return {state.request.name: state for state in world.resolve()}


def need_approval(world, name):
    world.requests = [replace(one, needs_approval=one.name == name) for one in world.requests]


def test_an_image_waits_until_what_it_is_made_from_is_accepted():
    world = family(hero=(), angle=("hero",))
    angle = by_name(world)["angle"]
    assert (angle.stage, angle.to_do) == (Stage.WAITING, ())
    assert str(angle.reasons[0]) == "parent: made from hero, which is not made yet"
    stored = world.make(by_name(world)["hero"])
    angle = by_name(world)["angle"]
    assert (angle.stage, str(angle.why)) == (Stage.GENERATE, "new")
    assert angle.recipe.references == (stored.digest,)
    assert angle.request.attached == Attached(("image:hero",), (stored.digest,), parents=("hero",))


def test_it_does_not_wait_for_postprocessing():
    world = family(hero=(), angle=("hero",))
    world.make(by_name(world)["hero"])
    found = by_name(world)
    assert (found["hero"].stage, found["angle"].stage) == (Stage.POSTPROCESS, Stage.GENERATE)


def test_another_image_in_its_place_makes_exactly_its_children_due_again():
    world = family(hero=(), other=(), angle=("hero",), of_other=("other",), deep=("angle",))
    for _ in range(3):
        for state in world.resolve():
            if state.stage is Stage.GENERATE:
                world.make(state)
    assert not [state for state in world.resolve() if state.stage is Stage.GENERATE]
    hero = by_name(world)["hero"]
    world.requests[0] = replace(world.requests[0], recipe=replace(hero.recipe, prompt="Another hero"))
    world.journal.last_recipe = {name: state.recipe.as_dict() for name, state in by_name(world).items()}
    stages = {name: state.stage for name, state in by_name(world).items()}
    assert stages == {
        "hero": Stage.GENERATE,
        "other": Stage.POSTPROCESS,
        "angle": Stage.WAITING,
        "of_other": Stage.POSTPROCESS,
        "deep": Stage.WAITING,
    }
    # Equal bytes: the same digest under the new key.
    old = hero.raw
    remade = by_name(world)["hero"]
    world.raw[remade.key] = replace(old, key=remade.key)
    assert {state.stage for state in world.resolve()} == {Stage.POSTPROCESS}
    # Other bytes.
    world.make(remade)
    found = by_name(world)
    assert (found["angle"].stage, str(found["angle"].why)) == (Stage.GENERATE, "key changed: references")
    assert found["deep"].stage is Stage.WAITING
    assert found["of_other"].stage is Stage.POSTPROCESS


@pytest.mark.parametrize("stage", [*Stage])
def test_whatever_an_image_waits_for_is_told_in_words(stage):
    world = family(hero=(), angle=("hero",))
    hero, angle = world.resolve()
    hero.stage, hero.obstacles = stage, (replace(hero, stage=Stage.REVIEW),)
    (reason,) = why_waiting([hero])
    assert str(reason).startswith("parent: made from hero, which ")
    assert angle.stage is Stage.WAITING


def test_the_best_candidate_is_what_children_are_made_from():
    world = family(hero=(), angle=("hero",))
    world.policy = replace(world.policy, candidate_policy=CandidatePolicy(2, {"tone.contrast": 1.0}))
    for contrast in (30.0, 60.0):
        assert by_name(world)["angle"].stage is Stage.WAITING
        world.make(by_name(world)["hero"].to_do[0], {"contrast": contrast})
    found = by_name(world)
    assert found["angle"].recipe.references == (found["hero"].raw.digest,)
    assert world.measures[found["hero"].raw.digest]["tone@1"] == {"contrast": 60.0}
    assert len(found["angle"].to_do) == 2
    assert {one.recipe.references for one in found["angle"].to_do} == {(found["hero"].raw.digest,)}
    world.policy = replace(world.policy, candidate_policy=CandidatePolicy(2, {"tone.contrast": -1.0}))
    assert world.measures[by_name(world)["angle"].parents[0].raw.digest]["tone@1"] == {"contrast": 30.0}


def test_the_accepted_attempt_is_what_children_are_made_from():
    world = family(hero=(), angle=("hero",))
    world.make(by_name(world)["hero"], BAD)
    assert by_name(world)["angle"].stage is Stage.WAITING
    second = world.make(by_name(world)["hero"])
    assert by_name(world)["angle"].recipe.references == (second.digest,)


def test_a_failed_image_is_named_by_all_that_come_after_it():
    world = family(hero=(), angle=("hero",), night=("angle",), free=())
    for _ in range(3):
        world.make(by_name(world)["hero"], BAD)
    found = by_name(world)
    assert found["free"].stage is Stage.GENERATE
    assert str(found["angle"].reasons[0]) == "parent: made from hero, which was rejected"
    assert str(found["night"].reasons[0]) == "parent: made from angle, which waits for hero, which was rejected"
    assert not waits_for_run(found["night"])
    assert not waits_for_person(found["night"])
    lines = [*waiting_lines([found["angle"], found["night"]], world)]
    assert lines == ["          2 cannot be made without hero, which was rejected"]


def test_after_approval_means_that_a_person_decides_first():
    world = family(hero=(), angle=("hero",))
    need_approval(world, "hero")
    assert not waits_for_run(by_name(world)["angle"])
    stored = world.make(by_name(world)["hero"])
    found = by_name(world)
    assert (found["hero"].stage, found["angle"].stage) == (Stage.REVIEW, Stage.WAITING)
    assert found["hero"].reasons[0].code == "approval"
    assert waits_for_person(found["angle"])
    world.reviews[found["hero"].key] = APPROVED
    found = by_name(world)
    assert (found["hero"].stage, found["angle"].stage) == (Stage.POSTPROCESS, Stage.GENERATE)
    assert found["angle"].recipe.references == (stored.digest,)


def test_an_approved_image_releases_its_children_whatever_the_checks_say():
    world = family(hero=(), angle=("hero",))
    world.make(by_name(world)["hero"], {"contrast": 10.0})
    assert by_name(world)["angle"].stage is Stage.WAITING
    world.reviews[by_name(world)["hero"].key] = APPROVED
    assert by_name(world)["angle"].stage is Stage.GENERATE


def test_what_no_provider_accepts_as_a_reference_is_told_and_costs_nothing():
    world = family(hero=(), angle=("hero",))
    world.policy = replace(world.policy, formats=["avif", "png"])
    hero = by_name(world)["hero"]
    stored = world.make(hero)
    world.raw[hero.key] = replace(stored, extension="avif")
    assert "whose file is AVIF" in str(by_name(world)["angle"].reasons[0])


def test_the_plan_tells_what_is_new_and_what_may_change():
    world = family(hero=(), old=("hero",), new=("hero",))
    world.journal.last_recipe["old"] = {}
    lines = [*waiting_lines([state for state in world.resolve() if state.stage is Stage.WAITING], world)]
    assert len(lines) == 1
    assert "2 follow in this run" in lines[0]
    assert lines[0].endswith("to be made (1); made again unless the others come out the same (1)")


def test_a_refused_image_with_no_other_way_keeps_its_children_waiting():
    world = family(hero=(), angle=("hero",))
    world.journal.keys[by_name(world)["hero"].key] = KeyHistory(calls=1, last=Outcome.REFUSED, message="no")
    assert str(by_name(world)["angle"].reasons[0]) == "parent: made from hero, which the provider refused"


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_however_long_a_chain_is_each_link_is_made_once(depths):
    names = [f"n{place}" for place in range(len(depths) + 1)]
    # Each is made from one of those before it.
    parents = {name: (names[depths[at - 1] % at],) if at else () for at, name in enumerate(names)}
    world, n_made = family(**parents), 0
    while due := [state for state in world.resolve() if state.stage is Stage.GENERATE]:
        for state in due:
            world.make(state)
            n_made += 1
    assert n_made == len(names)
    assert {state.stage for state in world.resolve()} == {Stage.POSTPROCESS}
