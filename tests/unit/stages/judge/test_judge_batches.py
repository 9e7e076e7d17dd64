"""Questions about images that go through the provider's Batch API: each is asked once, at half the price."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing import get_context

import pytest
from fake_openai import BatchSettings, Settings
from pydantic import ValidationError

from imagemake.config.campaign import load_campaign
from imagemake.config.job_settings import JobSettings
from imagemake.core.recipe import Recipe
from imagemake.plugins.measures.judge import JudgeSettings
from imagemake.stages.generate.job import generate_for_job
from imagemake.store.items import Item
from imagemake.store.journal import Outcome
from imagemake.store.spending import OverBudgetError, SpendTracker
from imagemake.store.store import DamagedError
from imagemake.store.submissions import Submissions, SubmissionStep

PRICES = {"as_of": "2026-11-01", "usd_per_million_tokens": {"text_in": 1, "image_in": 1, "image_out": 1}}


@pytest.fixture
def in_batches(judging):
    judging.server.renew(Settings(batches=BatchSettings(duration_s=0.1)))
    judging.more = {"api": "auto", "mode": "batch"}
    judging.models = {"openai": {"gpt-6-luna": {"prices": {**PRICES, "batch_share": 0.5}}}}
    judging.limits = {**judging.limits, "longest_wait_s": 0.1}
    return judging


def lines(judging):
    return [call for call in judging.server.calls() if call.batch_id is not None]


def kill_at_work(judging, *items):
    """Kill a job once the provider works on its batch, and return the open submissions of the store."""
    job = get_context("fork").Process(target=judging.judge, args=items)
    job.start()
    submissions, deadline_s = Submissions(judging.store.root), time.monotonic() + 60
    while not any(one.step is SubmissionStep.CREATED for one in submissions.all()):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    os.kill(job.pid, signal.SIGKILL)
    job.join()
    return submissions


def test_questions_go_in_one_batch_at_half_the_price_and_are_asked_once(in_batches):
    items = [in_batches.item(name) for name in ("mug", "hat", "shoe")]
    judged = in_batches.judge(*items)
    assert [in_batches.answers(one)["is_this_a"].value for one in judged] == [1.0] * 3
    assert [in_batches.answers(one)["sharp"].value for one in judged] == [10] * 3
    assert {(call.endpoint, call.batch_id is None) for call in in_batches.server.calls()} == {
        ("/v1/chat/completions", False)
    }
    assert len({call.batch_id for call in lines(in_batches)}) == 1
    told = in_batches.calls
    assert {(call.sent["kind"], call.outcome) for call in told} == {("judge", Outcome.MADE)}
    usd = sum(call.closed["cost_usd"] for call in told)
    assert usd == pytest.approx(in_batches.server.totals().total_usd, abs=3e-6)
    in_batches.judge(*items)
    assert len(lines(in_batches)) == 3
    assert not list(Submissions(in_batches.store.root).all())


def test_a_batch_of_questions_is_within_the_budget_of_all_jobs(in_batches, monkeypatch):
    class NothingLeft(SpendTracker):
        def reserve_all(self, worst_usd):
            return dict.fromkeys(worst_usd, OverBudgetError("it would exceed budget_usd.run, $1.00"))

    given = "imagemake.stages.judge.asking.spend_tracker_of"
    monkeypatch.setattr(given, lambda store, work, budget, calls: NothingLeft(work / "spending.json", budget))
    in_batches.judge(in_batches.item("mug"))
    assert not in_batches.server.calls()


def test_a_run_that_is_killed_while_its_batch_works_asks_nothing_again(in_batches):
    in_batches.server.change(batches={"works_on": 0})
    items = [in_batches.item(name) for name in ("mug", "hat")]
    submissions = kill_at_work(in_batches, *items)
    (left,) = submissions.all()
    assert left.kind == "judge"
    in_batches.server.change(batches={"duration_s": 0})
    judged = in_batches.judge(*items)
    assert all(one.failure is None for one in judged)
    assert len(lines(in_batches)) == 2
    assert [call.outcome for call in in_batches.calls] == [Outcome.MADE] * 2


def test_a_batch_of_questions_is_read_by_nobody_who_makes_images(in_batches, tmp_path):
    in_batches.server.change(batches={"works_on": 0})
    item = in_batches.item("mug")
    submissions = kill_at_work(in_batches, item)
    in_batches.server.change(batches={"duration_s": 0})
    while not lines(in_batches):  # it is over then
        time.sleep(0.1)
    in_batches.server.change(any_size=True)
    model = {"provider": "openai", "name": "gpt-image-2", "base_url": in_batches.server.base_url, "mode": "batch"}
    model |= {"key_from": "OPENAI_API_KEY", "parameters": {"size": "64x64", "quality": "low"}}
    settings = JobSettings({"campaign": "c", "model": model, "limits": in_batches.limits})
    asker = in_batches.campaign.validation.asked.askers[0]
    recipe = Recipe("openai", "gpt-image-2", "p", 0, model["parameters"], endpoint=asker.model.endpoint)
    image = Item("p", 0, recipe, recipe.key(), "new")
    (made,) = generate_for_job([image], settings, job="g", calls=0, store=in_batches.store.root, work=tmp_path)
    assert made.raw is not None
    assert [one.kind for one in submissions.all()] == ["judge"], "it waits for a job that judges"
    in_batches.more = {"api": "chat", "mode": "sync"}
    (judged,) = in_batches.judge(item)
    assert judged.failure is None
    assert len([call for call in in_batches.server.calls() if call.endpoint == "/v1/chat/completions"]) == 1


def test_refusals_and_garbage_in_lines_are_kept_as_answers_and_failures_are_asked_again(in_batches):
    in_batches.server.change(judge={"fail_first": 1, "fail_status": 500})
    mug, hat = (in_batches.item(name) for name in ("mug", "hat"))
    judged = in_batches.judge(mug, hat)
    assert all(one.failure is None for one in judged)
    assert len(lines(in_batches)) == 3
    in_batches.server.change(judge={"blocked": True})
    (refused,) = in_batches.judge(in_batches.item("shoe"))
    assert {one.fault for one in in_batches.answers(refused).values()} == {"the model refused to answer"}
    in_batches.judge(in_batches.item("shoe"))
    assert len(lines(in_batches)) == 4


def test_an_image_that_is_gone_ends_the_job_before_anything_is_asked(in_batches):
    item = in_batches.item("mug")
    in_batches.store.raw.path(item.raw).write_bytes(b"no image")
    with pytest.raises(Exception, match="damaged") as caught:
        in_batches.judge(item)
    assert not isinstance(caught.value, DamagedError)
    assert lines(in_batches) == []


def test_batches_take_chat_completions_only():
    given = {"model": "m", "mode": "batch", "questions": ["Is it red?"]}
    assert JudgeSettings.model_validate(given).mode == "batch"
    with pytest.raises(ValidationError, match="chat completions only"):
        JudgeSettings.model_validate({**given, "api": "decisions"})


def test_the_mode_is_in_no_answers_name_but_the_api_that_it_needs_is():
    def identity(**more):
        judge = {"model": "m", "questions": ["Is it red?"], **more}
        given = {"campaign": "c", "catalog": "c.csv", "prompt": "p", "name": "n"}
        campaign = load_campaign({**given, "validation": {"measures": {"judge": judge}}})
        return campaign.validation.asked.askers[0].identity

    assert identity(mode="batch") == identity(api="chat") != identity()
