"""Agreement of a judge with people: figures that were computed by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import World

from imagemake.config.campaign import load_campaign
from imagemake.config.checks import Checks
from imagemake.plan.reviews import Review
from imagemake.release.metrics.agreement import Opinion, Table, agreement, figures, fitting_threshold
from imagemake.stages.judge.known import KnownAnswers


def opinions(both=0, judge_only=0, person_only=0, neither=0):
    cells = [(both, 0.1, True, True), (judge_only, 0.3, True, False), (person_only, 0.7, False, True)]
    cells.append((neither, 0.9, False, False))
    return [Opinion(value, judge, person) for n, value, judge, person in cells for _ in range(n)]


def test_the_figures_are_those_of_the_textbook():
    # 50 images: both 20, judge only 5, person only 10, neither 15. Observed agreement is 0.7, chance 0.5: kappa 0.4.
    told = figures(opinions(20, 5, 10, 15), good="yes")
    assert told["images"] == 50
    assert told["judged_bad"] == 25
    assert told["rejected"] == 30
    assert told["precision"] == 0.8
    assert told["recall"] == pytest.approx(20 / 30, abs=1e-4)
    assert (told["precision_low"], told["precision_high"]) == (0.6087, 0.9114), "Wilson, 20 of 25"
    assert told["kappa"] == 0.4
    # Fleiss, Cohen, and Everitt by hand: A = 0.18032, B = 0.108, C = 0.01, so the variance is 0.27832 / 12.5, with
    # A = 0.4 (1 - 1.1 * 0.6)^2 + 0.3 (1 - 0.9 * 0.6)^2 and B = 0.36 (0.1 * 1.1^2 + 0.2 * 0.9^2).
    standard_error = ((0.4 * 0.34**2 + 0.3 * 0.46**2 + 0.36 * (0.1 * 1.1**2 + 0.2 * 0.9**2) - 0.1**2) / 12.5) ** 0.5
    assert told["kappa_low"] == pytest.approx(0.4 - 1.959964 * standard_error, abs=1e-4)
    assert told["kappa_high"] == pytest.approx(0.4 + 1.959964 * standard_error, abs=1e-4)


def test_a_judge_who_always_agrees_has_a_kappa_of_one_and_one_by_chance_of_zero():
    assert Table(10, 0, 0, 10).kappa() == 1
    assert Table(10, 0, 0, 10).kappa_interval() == (1, 1)
    assert Table(5, 5, 5, 5).kappa() == 0
    assert Table(0, 0, 0, 10).kappa() is None, "where nobody calls anything bad, there is nothing to agree about"


def test_the_limit_that_fits_is_between_the_values_that_people_tell_apart():
    seen = [
        Opinion(0.55, False, True),
        Opinion(0.62, False, True),
        Opinion(0.8, False, False),
        Opinion(0.9, False, False),
    ]
    assert fitting_threshold(seen, good="yes") == (0.71, 1.0)
    turned = [one._replace(value=1 - one.value) for one in seen]
    assert fitting_threshold(turned, good="no") == (pytest.approx(0.29), 1.0)
    assert fitting_threshold(seen[:1], good="yes") == (None, None)


def test_no_answer_counts_as_bad_and_no_rate_is_made_up():
    told = figures([Opinion(None, True, False)], good="yes")
    assert told["unanswered"] == 1
    assert told["recall"] is None
    assert told["precision"] == 0.0
    assert told["kappa"] == 0.0


COUNTS = st.integers(0, 30)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_kappa_is_within_its_interval_and_both_are_within_their_bounds(both, judge_only, person_only, neither):
    table = Table(both, judge_only, person_only, neither)
    kappa, interval = table.kappa(), table.kappa_interval()
    if kappa is None:
        assert interval is None
    else:
        assert -1 <= interval[0] <= kappa + 1e-9
        assert kappa - 1e-9 <= interval[1] <= 1


def judged_world(tmp_path):
    world = World("a", "b", "c")
    world.answers = KnownAnswers(tmp_path)
    asked = [{"ask": "Is it red?", "name": "red"}, {"ask": "Is it new?", "name": "new"}]
    judge = {"model": "m", "questions": asked}
    campaign = {"campaign": "c", "catalog": "c.csv", "prompt": "{a}", "name": "{a}"}
    validation = load_campaign({**campaign, "validation": {"measures": {"judge": judge}}}).validation
    checks = Checks({**world.policy.checks.of({}, ""), **validation.asked.checks()})
    world.policy = replace(world.policy, asked=validation.asked, checks=checks)
    return world


def test_a_question_alone_overlooks_what_another_one_sees(tmp_path):
    world = judged_world(tmp_path)
    for state, red, new in zip(world.resolve(), (0.9, 0.1, 0.9), (0.9, 0.9, 0.2), strict=True):
        world.make(state)
        (now,) = [one for one in world.resolve() if one.request.name == state.request.name]
        for question, value in zip(now.questions, (red, new), strict=True):
            world.measures[now.raw.digest][question.identity] = {"_yes": value}
        world.reviews[now.key] = Review("approve" if red > 0.5 < new else "reject", "", "", "")
    told = agreement(world.resolve(), world, world.policy, world.reviews)
    assert (told["overall"]["precision"], told["overall"]["recall"], told["overall"]["kappa"]) == (1, 1, 1)
    assert told["questions"]["red"]["recall"] == 0.5
    assert told["questions"]["red"]["precision"] == 1
    assert agreement(world.resolve(), world, world.policy, {})["overall"] is None
