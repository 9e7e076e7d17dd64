"""Several models in order of preference: which one makes an image, and what the plan says of it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mugs import named, problems, requests
from world import BAD, GOOD, MODELS, World, routed

from imagemake.config.attempts import Attempts
from imagemake.config.campaign import load_campaign
from imagemake.core.problems import UserError
from imagemake.plan.candidates import CandidatePolicy
from imagemake.plan.inventory import KeyHistory
from imagemake.plan.reviews import Review
from imagemake.plan.routing import most_attempts, routing_lines, stays_with_model
from imagemake.plan.state import Stage
from imagemake.store.journal import Outcome


def refuse(world, state):
    world.journal.keys[state.key] = KeyHistory(calls=1, last=Outcome.REFUSED, message="no")


def recipe_of(world, name):
    return next(route.recipe for route in world.requests[0].routes if route.label == name)


def test_the_first_model_makes_it_and_the_next_one_what_it_refuses():
    world, asked = routed(), []
    for _ in MODELS:
        state = world.one()
        asked.append((state.request.model, state.recipe, state.attempt, str(state.why)))
        refuse(world, state)
    recipes = [recipe_of(world, name) for name in MODELS]
    whys = ["new", "refused by a", "refused by b"]
    assert asked == list(zip(MODELS, recipes, (0, 1, 2), whys, strict=True))
    last = world.one()
    assert (last.stage, last.request.model, [past.recipe.model for past in last.past]) == (
        Stage.REFUSED,
        "c",
        ["a", "b"],
    )


def test_a_model_that_cannot_make_it_is_never_asked():
    world = routed({"a": "too large.", "c": "too small."})
    state = world.one()
    assert (state.request.model, state.attempt, str(state.why)) == ("b", 0, "new")
    refuse(world, state)
    assert world.one().stage is Stage.REFUSED


def test_an_image_that_is_there_stays_whichever_model_made_it_and_whatever_changed_since():
    world = routed({"a": "too large."})
    stored = world.make(world.one())
    now_able = replace(world.requests[0], routes=routed().requests[0].routes)
    world.requests = [now_able.by(now_able.routes[0])]
    assert (world.one().request.model, world.one().raw) == ("b", stored)


def test_a_rejected_image_is_tried_again_by_its_own_model_as_often_as_without_a_list():
    world = routed()
    refuse(world, world.one())
    models = []
    for _ in range(world.policy.most_attempts):
        models.append(world.one().request.model)
        world.make(world.one(), tone=BAD)
    assert models == ["b", "b", "b"]
    assert world.one().stage is Stage.REJECTED


def test_a_patch_for_refusals_is_for_the_last_model():
    world = routed()
    world.policy = replace(world.policy, patches={"refused": "Family friendly."})
    for _ in MODELS:
        assert "Family" not in world.one().recipe.prompt
        refuse(world, world.one())
    state = world.one()
    assert (state.request.model, "Family friendly." in state.recipe.prompt) == ("c", True)


def test_the_next_model_gets_the_prompt_that_a_reviewer_wrote():
    world = routed()
    world.make(world.one())
    world.reviews[world.one().key] = Review("regenerate", "", "Ann", "", prompt="A blue mug")
    state = world.one()
    assert (state.request.model, state.recipe.prompt) == ("a", "A blue mug")
    refuse(world, state)
    state = world.one()
    assert (state.request.model, state.recipe.model, state.recipe.prompt) == ("b", "b", "A blue mug")


@given(st.lists(st.sampled_from(["made", "refused"]), min_size=3, max_size=3), st.sets(st.sampled_from(MODELS)))
def test_a_rerun_chooses_what_the_first_run_paid_for(ends, unable):
    world = routed(dict.fromkeys(unable, "cannot."))
    for end in ends:
        state = world.one()
        if state.stage is not Stage.GENERATE:
            break
        world.make(state) if end == "made" else refuse(world, state)
    if world.raw:
        (key,) = world.raw
        assert world.one().key == key
        world.journal.keys.clear()  # even without its journal
        assert world.one().key == key


def test_the_plan_says_who_makes_what_and_why():
    world = routed({"a": "a is too small."})
    assert list(routing_lines([world.one()], world.journal)) == [
        "  b makes 1 image in place of a: a is too small.",
    ]
    refuse(world, world.one())
    assert list(routing_lines([world.one()], world.journal)) == [
        "  c makes 1 image in place of a: a is too small.",
        "  c makes 1 image that b refused.",
    ]
    assert list(routing_lines(World("mug").resolve(), world.journal)) == []


LATER = "2026-11-27T11:00:00.000Z"


def use_up(world, name, at=LATER):
    world.journal.used_up_at["preview", None, name] = at


def test_what_is_left_when_the_quota_is_used_up_goes_to_the_next_model_as_a_first_attempt():
    world = routed({"b": "too large."})
    assert (world.one().has_next, world.one().request.model) == (True, "a")
    use_up(world, "a")
    state = world.one()
    assert (state.request.model, state.attempt, state.past, str(state.why)) == ("c", 0, (), "a has no quota left")
    assert state.recipe == recipe_of(world, "c")
    assert not state.has_next, "c is the last one, so the end of its quota stops the run"
    use_up(world, "c")
    assert (world.one().request.model, world.one().has_next) == ("a", False)


def test_the_next_run_asks_the_first_model_again_and_keeps_what_the_next_one_made():
    made, left = routed(), routed()
    for world in (made, left):
        use_up(world, "a")
    stored = made.make(made.one())
    for world in (made, left):
        world.since = "2026-11-28T10:00:00.000Z"
    assert (made.one().request.model, made.one().raw) == ("b", stored)
    state = left.one()
    assert (state.request.model, state.stage, str(state.why)) == ("a", Stage.GENERATE, "new")
    (told,) = routing_lines([state], left.journal)
    assert told == (
        "  a had no quota left on 2026-11-27 at 11:00 UTC. It is asked again; if it still has none, b makes its images."
    )
    left.journal.answered_at["preview", None, "a"] = "2026-11-27T12:00:00.000Z"
    assert list(routing_lines([state], left.journal)) == []


def test_a_further_attempt_goes_to_the_next_model_too_and_every_later_run_sees_its_image():
    world = routed()
    world.make(world.one(), tone=BAD)
    use_up(world, "a")
    state = world.one()
    assert (state.request.model, state.attempt, state.by_model_from) == ("b", 1, 1)
    assert state.recipe == recipe_of(world, "b")
    stored = world.make(state)
    world.since = "2026-11-28T10:00:00.000Z"
    assert (world.one().request.model, world.one().raw) == ("b", stored)
    world.measures[stored.digest]["tone@1"] = BAD
    assert (world.one().request.model, world.one().attempt) == ("b", 2)
    (told,) = routing_lines([world.one()], world.journal)
    assert told == "  b makes 1 image anew, rejected as made by a."


def test_a_model_that_refused_in_place_of_one_without_quota_is_not_asked_again_but_the_first_one_is():
    world = routed()
    use_up(world, "a")
    refuse(world, world.one())
    assert world.one().request.model == "c"
    world.since = "2026-11-28T10:00:00.000Z"
    assert world.one().request.model == "a"
    refuse(world, world.one())
    assert [past.recipe.model for past in world.one().past] == ["a", "b"]


def with_candidates(world):
    world.policy = replace(world.policy, candidate_policy=CandidatePolicy(2, {"tone.contrast": 1.0}))
    return world


def test_candidates_that_are_all_refused_go_to_the_next_model_and_one_that_was_made_keeps_the_attempt():
    world = with_candidates(routed())
    for state in world.one().to_do:
        refuse(world, state)
    assert [(one.request.model, one.attempt) for one in world.one().to_do] == [("b", 1)] * 2
    first, second = world.one().to_do
    refuse(world, first)
    world.make(second, tone=BAD)
    state = world.one()
    assert (state.request.model, state.attempt) == ("b", 2), "b made one, so it makes the next attempt too"


def test_any_candidate_that_is_there_keeps_its_model():
    world = with_candidates(routed())
    for state in world.one().to_do:
        refuse(world, state)
    _, second = world.one().to_do
    world.make(second)
    world.journal.keys.clear()
    (state,) = world.one().to_do
    assert (state.request.model, state.candidate) == ("b", 0)


def test_candidates_that_miss_their_siblings_when_the_quota_is_used_up_are_told_as_an_attempt():
    world = with_candidates(routed())
    kept = world.make(world.one().to_do[0])
    use_up(world, "a")
    state = world.one()
    assert [(one.request.model, one.attempt) for one in state.to_do] == [("b", 1)] * 2
    (past,) = state.past
    assert (past.raw, str(past.reasons[0])) == (kept, "no_quota: a has no quota left for the other candidates")
    for one in state.to_do:
        world.make(one)
    world.since = "2026-11-28T10:00:00.000Z"
    assert (world.one().request.model, world.one().stage) == ("b", Stage.POSTPROCESS)


def test_a_candidate_that_is_on_its_way_is_waited_for():
    world = with_candidates(routed())
    world.in_queues = {world.one().to_do[0].key}
    use_up(world, "a")
    assert world.one().request.model == "a"


@given(st.lists(st.sampled_from(["made", "rejected", "refused", "used up"]), max_size=8), st.integers(1, 2))
def test_whatever_ends_calls_an_image_is_asked_for_at_each_model_in_turn_and_a_rerun_sees_what_was_made(ends, n):
    world = routed()
    world.policy = replace(world.policy, candidate_policy=CandidatePolicy(n))
    places = []
    for end in ends:
        state = world.one()
        if state.stage is not Stage.GENERATE:
            break
        places.append(state.request.place)
        first = state.to_do[0]
        if end == "refused":
            refuse(world, first)
        elif end == "used up":
            use_up(world, state.request.model)
            if not state.has_next:
                break
        else:
            world.make(first, tone=BAD if end == "rejected" else GOOD)
    assert places == sorted(places), "no model is asked after a later one"
    before = world.one()
    if before.raw is not None and before.stage is not Stage.GENERATE:
        world.since = "2026-11-28T10:00:00.000Z"
        assert (world.one().key, world.one().stage) == (before.key, before.stage)


LISTED = {
    "models": {"openai": {"small-1": {"sizes": ["1024x1024"]}}},
    "model": {"provider": "openai", "name": "small-1", "parameters": {"size": "2048x2048"}},
    "more_models": {"large": {"name": "gpt-image-2"}, "drawn": {"provider": "preview"}},
}


def test_a_size_that_the_first_model_does_not_take_goes_to_the_next_one():
    found = named(requests(**LISTED, model_rules=[{"model": ["small-1", "large", "drawn"]}]))["M-7_red"]
    assert (found.model, found.recipe.model, found.labels) == (
        "large",
        "gpt-image-2",
        ["small-1", "large", "drawn"],
    )
    assert "2048x2048" in found.routes[0].why_not
    (alone,) = {request.routes for request in requests(**LISTED)}
    assert alone == (), "without a list, a request is as before"


def test_models_of_a_list_get_the_same_seed_and_prompt_and_their_own_parameters():
    found = requests(**LISTED, model_rules=[{"model": ["large", "drawn"]}])[0]
    large, drawn = (route.recipe for route in found.routes)
    assert (large.seed, large.prompt) == (drawn.seed, drawn.prompt)
    assert (dict(large.parameters), dict(drawn.parameters)) == ({"size": "2048x2048"}, {})


def test_every_model_of_a_list_must_be_known_and_named_once():
    ((where, _),) = problems(**LISTED, model_rules=[{"model": ["large", "drwan"]}])
    assert where.endswith("model_rules[0].model")
    with pytest.raises(UserError, match="more than once"):
        requests(model_rules=[{"model": ["x", "x"]}])
    with pytest.raises(UserError, match="when is empty"):
        requests(model_rules=[{"model": "x"}])


def test_a_run_has_rounds_for_the_attempts_of_all_models():
    least = {"campaign": "c", "catalog": "c.csv", "prompt": "p", "name": "{sku}", "attempts": {"max": 3}}
    assert most_attempts(load_campaign(least)) == 3
    assert most_attempts(load_campaign({**least, "model_rules": [{"model": ["x", "y"]}]})) == 6


def unreadable(world, state):
    world.journal.keys[state.key] = KeyHistory(calls=1, last=Outcome.UNREADABLE, message="no image")


EVENTS = {
    "made": lambda world, state: world.make(state),
    "rejected": lambda world, state: world.make(state, tone=BAD),
    "refused": refuse,
    "unreadable": unreadable,
    "quota": lambda world, state: use_up(world, state.request.model),
    "asked": lambda world, state: world.reviews.update({state.key: Review("regenerate", "", "Ann", "", prompt="B")}),
}


def happened(events, policy=None, n=1):
    """Return a world in which a request's current attempt ended so, one after the other."""
    world = routed()
    attempts, candidates = Attempts(policy=policy or {}), CandidatePolicy(n, {"tone.contrast": 1.0})
    world.policy = replace(world.policy, attempts=attempts, candidate_policy=candidates)
    for event in events:
        for state in world.one().to_do or [world.one()]:
            EVENTS[event](world, state)
    return world


@settings(max_examples=500)
@given(
    st.lists(st.sampled_from([*EVENTS]), min_size=1, max_size=6),
    st.sets(st.sampled_from(MODELS)),
    st.sampled_from([{}, {"tone": "next_model"}, {"review": "next_model"}]),
    st.sampled_from([1, 2]),
)
def test_an_image_that_stays_with_its_model_stands_alike_whatever_models_can_make_and_whenever_quotas_ended(
    events, unable, policy, n
):
    world = happened(events, policy, n)
    state = world.one()
    if not (state.is_accepted and stays_with_model(state, world.policy.attempts)):
        return
    world.requests = routed(dict.fromkeys(unable, "cannot.")).requests
    for ended in ([], MODELS):
        world.journal.used_up_at.clear()
        for name in ended:
            use_up(world, name)
        then = world.one()
        assert (then.key, then.past, then.attempt, then.made_by) == (
            state.key,
            state.past,
            state.attempt,
            state.made_by,
        )


@pytest.mark.parametrize(
    ("events", "stays"),
    [
        (["made"], True),
        (["refused", "made"], True),
        (["refused", "refused", "rejected", "made"], True),
        (["quota", "made"], True),
        (["rejected", "made"], True),
        (["unreadable", "made"], False),
        (["rejected", "quota", "made"], False),
        (["asked", "made"], False),
        (["made", "asked", "made"], True),
        (["made", "asked", "refused", "made"], False),
    ],
)
def test_an_image_stays_with_its_model_if_that_began_it_with_an_image(events, stays):
    world = happened(events)
    state = world.one()
    assert (state.is_accepted, stays_with_model(state, world.policy.attempts)) == (True, stays)


def test_an_image_does_not_stay_with_its_model_if_the_next_one_could_not_take_it_then():
    world = happened(["rejected"], {"tone": "next_model"})
    world.requests = routed({"b": "too large.", "c": "too large."}).requests
    world.make(world.one())
    assert (world.one().request.model, world.one().is_accepted) == ("a", True)
    assert not stays_with_model(world.one(), world.policy.attempts)
    at_last = happened(["refused", "rejected", "rejected", "made"], {"tone": "next_model"})
    assert stays_with_model(at_last.one(), at_last.policy.attempts), "there is no next one"
