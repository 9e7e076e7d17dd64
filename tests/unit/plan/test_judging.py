"""When a run asks about an image, why, and what it says of the cost."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from world import World

from imagemake.config.campaign import load_campaign
from imagemake.config.checks import Checks
from imagemake.core.problems import UserError
from imagemake.plan.batches import batches_of
from imagemake.plan.edited_questions import read_edited
from imagemake.plan.inventory import KeyHistory
from imagemake.plan.job_sizes import JobSizes
from imagemake.plan.judging import NO_IMAGE, calls_of, judging_lines
from imagemake.plan.reviews import Review
from imagemake.plan.state import Stage
from imagemake.stages.judge.known import KnownAnswers
from imagemake.store.journal import Outcome

BASE = {"campaign": "c", "catalog": "c.csv", "prompt": "{a}", "name": "{a}"}
IN_BATCHES = {"model": "gpt-6-luna", "mode": "batch", "questions": [{"ask": "Is it red?", "name": "red"}]}
FREE = {"as_of": "2026-11-01", "usd_per_image": 0.01}


def campaign_of(*questions, **more):
    judge = {"model": "gpt-6-luna", "questions": list(questions)}
    return load_campaign({**BASE, "validation": {"measures": {"judge": judge}}, **more})


@pytest.fixture
def world(tmp_path):
    world = World("mug")
    world.answers = KnownAnswers(tmp_path / "store")

    def ask(*questions, **more):
        world.campaign = campaign_of(*questions, **more)
        asked = world.campaign.validation.asked
        world.policy = replace(
            world.policy, asked=asked, checks=Checks({**world.policy.checks.of({}, ""), **asked.checks()})
        )

    def answer(state, **values):
        for one in state.questions:
            if one.name in values:
                world.measures[state.raw.digest][one.identity] = {"_yes": values[one.name]}

    world.ask, world.answer = ask, answer
    world.ask({"ask": "Is it red?", "name": "red"})
    return world


def test_an_image_is_judged_before_it_counts_and_says_why(world):
    world.make(world.one())
    state = world.one()
    assert (state.stage, str(state.why)) == (Stage.JUDGE, "never judged")
    world.answer(state, red=0.9)
    assert world.one().stage is Stage.POSTPROCESS
    world.answer(state, red=0.2)
    state = world.one()
    assert state.stage is Stage.REVIEW
    assert str(state.reasons[0]) == "judge.red: 'Is it red?': no (20% yes), at least 0.5"
    world.ask({"ask": "Is it red?", "name": "red"}, {"ask": "Is it new?", "name": "new"})
    assert str(world.one().why) == "question added or changed: new"


def test_what_is_in_a_batch_already_is_told_and_not_counted_again(world):
    prices = {"as_of": "2026-11-01", "usd_per_image": 4, "batch_share": 0.5}
    models = {"openai": {"gpt-6-luna": {"prices": prices}}}
    campaign = load_campaign({**BASE, "validation": {"measures": {"judge": IN_BATCHES}}, "models": models})
    world.policy = replace(world.policy, asked=campaign.validation.asked)
    world.make(world.one())
    state = world.one()
    (told,) = judging_lines([state], campaign, world)
    assert told == "  gpt-6-luna is asked about 1 image in batches: 1 question, about $2.00."
    (call,) = calls_of(state, world.policy.asked, world, ())
    world.submission_of = {call.item.key: "s"}
    assert list(judging_lines([state], campaign, world)) == [
        "  Answers about 1 image are on their way in a batch: collecting them costs nothing more."
    ]


def test_what_other_checks_reject_is_not_judged(world):
    world.policy = replace(world.policy, most_attempts=1)
    world.make(world.one(), tone={"contrast": 1.0})
    assert world.one().stage is Stage.REJECTED


def test_a_decided_image_is_judged_only_if_the_campaign_says_so(world):
    state = world.one()
    world.make(state)
    world.reviews[state.key] = Review("approve", "", "", "")
    assert world.one().stage is Stage.POSTPROCESS
    judge = {"model": "gpt-6-luna", "questions": ["Is it red?"], "also_decided": True}
    asked = load_campaign({**BASE, "validation": {"measures": {"judge": judge}}}).validation.asked
    world.policy = replace(world.policy, asked=asked)
    assert world.one().stage is Stage.JUDGE


def test_a_call_that_may_have_been_billed_holds_its_image_back_if_limits_say_so(world):
    world.make(world.one())
    state = world.one()
    (call,) = calls_of(state, world.policy.asked, world, ())
    world.journal.keys[call.item.key] = KeyHistory(calls=1, unknown=1, last=Outcome.UNKNOWN)
    assert world.one().stage is Stage.JUDGE
    world.policy = replace(world.policy, hold_unknown=True)
    state = world.one()
    assert state.stage is Stage.HELD
    assert "1 calls without an answer" in str(state.reasons[0])


def test_the_plan_tells_number_cost_and_what_the_budget_leaves_out(world):
    world.make(world.one())
    first, *_ = judging_lines([world.one()], world.campaign, world)
    assert first == "  gpt-6-luna is asked about 1 image: 1 question, unknown for 1 image."
    world.ask("Is it red?", models={"openai": {"gpt-6-luna": {"prices": FREE}}})
    (line,) = judging_lines([world.one()], world.campaign, world)
    assert line == "  gpt-6-luna is asked about 1 image: 1 question, about $0.01."
    world.ask("Is it red?", budget_usd={"run": 1.0})
    assert "will NOT be asked" in "\n".join(judging_lines([world.one()], world.campaign, world))


def test_edited_questions_are_read_by_prompt_and_mistakes_are_told_with_their_row(tmp_path):
    path = tmp_path / "questions.csv"
    assert read_edited(path) == {}
    path.write_text("prompt,question\nA mug,Is it a mug?\nA mug,'=Is it red?\nA hat,Is it a hat?\n")
    assert read_edited(path) == {"A mug": ("Is it a mug?", "=Is it red?"), "A hat": ("Is it a hat?",)}
    path.write_text("prompt,question\nA mug,\n")
    with pytest.raises(UserError, match="row 2: the prompt or the question is empty"):
        read_edited(path)
    path.write_text("question\nIs it?\n")
    with pytest.raises(UserError, match="no column prompt"):
        read_edited(path)


def test_limits_and_other_questions_move_no_answer_and_another_model_moves_all():
    def identities(*questions, **judge):
        settings = {"model": "gpt-6-luna", "questions": list(questions), **judge}
        asked = load_campaign({**BASE, "validation": {"measures": {"judge": settings}}}).validation.asked
        return {one.name: one.identity for one in asked.wanted("A mug", {"a": "mug"})}

    red = {"ask": "Is the {a} red?", "name": "red"}
    first = identities(red)["red"]
    assert identities("Is it new?", red)["red"] == first
    assert identities({**red, "name": "color", "good": "no"})["color"] == first, "names and limits are not asked"
    assert identities(red, key_from="MY_KEY", derive_by="m", also_decided=True)["red"] == first
    changes = ({"model": "m"}, {"edge_px": 512}, {"edition": 2}, {"api": "chat"}, {"base_url": "http://localhost/v1"})
    others = [identities(red, **change)["red"] for change in changes]
    assert len({first, *others, identities({**red, "scale": "0-10"})["red"]}) == len(others) + 2


def test_a_model_without_a_price_is_told_with_the_key_that_sets_it(world):
    first, second, key = judging_lines([world.one()], world.campaign, world)
    assert first == "  gpt-6-luna is asked about up to 1 image: 1 question, unknown for 1 image."
    assert second == "  The price of gpt-6-luna is unknown. Set it, in USD, such as"
    models = yaml.safe_load(key)
    campaign = campaign_of({"ask": "Is it red?", "name": "red"}, **models)
    (told,) = judging_lines([world.one()], campaign, world)
    assert told.endswith("1 question, about $0.00.")


def test_all_images_are_asked_about_at_once_where_each_batch_may_take_a_day():
    world = World(*(f"mug {number}" for number in range(10)))
    states = world.resolve()
    for state in states:
        state.stage, state.raw = Stage.JUDGE, NO_IMAGE

    def sizes(**judge):
        given = {**IN_BATCHES, "questions": ["Is it red?"], **judge}
        campaign = load_campaign(
            {**BASE, "validation": {"measures": {"judge": given}}, "limits": {"batches_in_flight": 2}, "batch_size": 3}
        )
        return [len(items) for _, items in batches_of(states, campaign, lambda _: 0, JobSizes(campaign, 10))]

    assert sizes() == [5, 5]
    assert sizes(mode="sync") == [3, 3, 3, 1]
