"""Images from a provider's queue: submitted once, whatever kills the process, and never forgotten."""

import asyncio
import time
from contextlib import contextmanager
from decimal import Decimal

import pytest
from fake_queue import FakeQueue
from fake_queue.server import LOST, PRICE_USD

from imagemake.config.campaign import Campaign
from imagemake.config.job_settings import JobSettings
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import FailureKind, ProviderError, provider_class
from imagemake.plugins.providers.fal.provider import FalProvider
from imagemake.plugins.providers.queue import Pending
from imagemake.stages.generate import queued
from imagemake.stages.generate.calls import StoppedError
from imagemake.stages.generate.job import generate_for_job
from imagemake.stages.generate.queued import LONGEST_ASKED_S, Durations, _wait_s
from imagemake.store.items import FailureReason, Item
from imagemake.store.journal import Journal, Outcome, read_calls
from imagemake.store.layout import spending_file
from imagemake.store.ledger import sum_calls
from imagemake.store.open_calls import OpenCalls
from imagemake.store.spending import SpendTracker, spent_usd
from imagemake.store.store import ContentStore, Store
from imagemake.workflow.kept_responses import read_kept_responses
from imagemake.workflow.leftovers import sweep_leftovers
from imagemake.workflow.open_calls import open_calls_words, take_up_open_calls

APP = "fal-ai/flux-2-pro"
MODELS = {"fal": APP, "bfl": "flux-2-pro", "replicate": "somebody/flux", "dashscope": "qwen-image"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setenv("STAND_IN_KEY", "stand-in-key")
    monkeypatch.setattr(queued, "FIRST_LOOK_S", 0.005)


class Shop:
    """A store, the settings of its campaign, and a queue."""

    def __init__(self, folder, server):
        self.folder, self.server = folder, server
        self.form = server.form.name
        self.name = MODELS[self.form]
        self.store = Store(folder / "store")
        self.limits = {"first_wait_s": 0.001, "longest_wait_s": 0.002, "tries": 3, "queue_wait_s": 5}

    @property
    def sections(self):
        address = {"base_url": self.server.base_url, "identity": self.form, "key_from": "STAND_IN_KEY"}
        return {
            "campaign": "c",
            "model": {"provider": self.form, "name": self.name, **address},
            "models": {self.form: {self.name: {"prices": {"usd_per_image": PRICE_USD, "as_of": "2026-11-01"}}}},
        }

    def begin_run(self, monkeypatch):
        """Do what a run does before and after it is planned."""
        monkeypatch.chdir(self.folder)
        campaign = Campaign.model_validate({**self.sections, "catalog": "c.csv", "prompt": "{x}", "name": "{x}"})
        told = [*read_kept_responses(campaign, self.store), *take_up_open_calls(campaign, self.store)]
        sweep_leftovers()
        return told

    def run(self, *prompts, budget=None, calls=4, **limits):
        sections = {**self.sections, "limits": {**self.limits, **limits}, "budget_usd": budget or {}}
        settings = JobSettings(sections)
        recipes = [Recipe(self.form, self.name, prompt, 7) for prompt in prompts]
        items = [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]
        (self.folder / "work" / "stopped.txt").unlink(missing_ok=True)
        work = self.folder / "work"
        SpendTracker(spending_file(work), settings.budget_usd).open(Decimal(0))
        return generate_for_job(items, settings, job="job", calls=calls, store=self.store.root, work=work)

    @property
    def calls(self):
        return list(read_calls(self.store.journal_folder))

    @property
    def outcomes(self):
        return [call.outcome.value for call in self.calls]

    @property
    def ledger_usd(self):
        return float(sum_calls(self.calls, ["campaign"]).total.billed_usd)


@pytest.fixture
def shop(tmp_path):
    with FakeQueue("fal") as server:
        yield Shop(tmp_path, server)


def test_an_image_from_a_queue_is_in_the_store_and_its_ticket_is_in_the_journal(shop):
    (made,) = shop.run("a mug")
    (job,) = shop.server.jobs.values()
    assert shop.store.raw.read(made.raw) == job.image
    (call,) = shop.calls
    assert call.outcome is Outcome.MADE
    assert call.submitted["ticket"]["id"] == job.id
    assert call.closed["request_id"] == job.id
    assert (call.closed["seed_use"], call.closed["seed_used"]) == ("sent", 7)
    assert shop.ledger_usd == shop.server.billed_usd() == PRICE_USD
    assert OpenCalls(shop.store.root).all() == []
    assert not list(shop.store.root.glob("open/*"))


@pytest.mark.parametrize("form", sorted(MODELS))
def test_every_form_is_paid_once_and_its_ledger_is_the_server_s(tmp_path, form):
    with FakeQueue(form, latency_s=(0.0, 0.1)) as server:
        shop = Shop(tmp_path, server)
        shop.run("a", "b", "a weapon", queue_wait_s=0.02)  # some of them stay in the queue
        first = shop.run("a", "b", "a weapon")
        assert [item.failure and item.failure.reason.value for item in first] == [None, None, "refused"]
        shop.run("a", "b")
        assert len(server.jobs) == 3 + shop.outcomes.count("refused") - 1
        assert shop.ledger_usd == server.billed_usd() == 2 * PRICE_USD


def test_the_ticket_is_on_disk_before_the_first_question(shop, monkeypatch):
    poll, seen = FalProvider.poll, []

    async def looked(self, ticket):
        seen.append([call.submitted["ticket"]["id"] for call in shop.calls])
        return await poll(self, ticket)

    monkeypatch.setattr(FalProvider, "poll", looked)
    shop.run("a mug")
    assert seen[0] == list(shop.server.jobs)


class Died(BaseException):
    """The process is gone."""


STEPS = [
    (SpendTracker, "reserve"),
    (OpenCalls, "begin"),
    (Journal, "sent"),
    (FalProvider, "submit"),
    (Journal, "submitted"),
    (FalProvider, "poll"),
    (Store, "keep_unreadable"),
    (FalProvider, "read_again"),
    (ContentStore, "put"),
    (Journal, "closed"),
    (SpendTracker, "record_cost"),
    (OpenCalls, "end"),
    (Store, "forget_unreadable"),
]
MOMENTS = [(cls, name, when) for cls, name in STEPS for when in ("before", "after")]
# The ticket is in no file, so nobody can know whether the request is in the queue.
TWICE = {("FalProvider", "submit", "after"), ("Journal", "submitted", "before")}
UNKNOWN = {*TWICE, ("Journal", "sent", "after"), ("FalProvider", "submit", "before")}


@contextmanager
def dying(monkeypatch, cls, name, when):
    """Let the process die before or after a step."""
    real = getattr(cls, name)

    def sync(*args, **kwargs):
        if when == "before":
            raise Died
        real(*args, **kwargs)
        raise Died

    async def unsync(*args, **kwargs):
        if when == "before":
            raise Died
        try:
            await real(*args, **kwargs)
        except ProviderError as error:
            assert error.failure is FailureKind.TO_FETCH
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(cls, name, unsync if asyncio.iscoroutinefunction(real) else sync)
        yield


@pytest.mark.parametrize(("cls", "name", "when"), MOMENTS)
def test_whenever_the_process_dies_the_next_run_submits_nothing_again(shop, monkeypatch, cls, name, when):
    with dying(monkeypatch, cls, name, when), pytest.raises(Died):
        shop.run("a mug")
    shop.begin_run(monkeypatch)
    (made,) = shop.run("a mug")
    assert made.raw is not None
    is_unknown = "unknown" in shop.outcomes
    assert is_unknown == ((cls.__name__, name, when) in UNKNOWN)
    assert len(shop.server.jobs) == (2 if (cls.__name__, name, when) in TWICE else 1)
    assert sorted(shop.outcomes) == ["made", *(["unknown"] if is_unknown else [])]
    assert shop.ledger_usd == PRICE_USD
    shop.begin_run(monkeypatch)
    assert not list(shop.store.root.glob("open/*")), "nothing is left to look up"


def test_a_wait_that_is_over_leaves_the_request_in_the_queue_and_the_next_run_gets_its_image(shop):
    shop.server.latency_s = (0.5, 0.5)
    (waits,) = shop.run("a mug", queue_wait_s=0.05)
    assert waits.failure.reason is FailureReason.WAITING
    assert "stays there, and the next run asks for its image" in waits.failure.message
    assert shop.outcomes == ["waiting"]
    assert float(spent_usd(shop.calls, "c")) == PRICE_USD, "its highest cost stays reserved"
    (made,) = shop.run("a mug")
    assert made.raw is not None
    assert len(shop.server.jobs) == 1
    assert shop.outcomes == ["made"]


def test_requests_of_earlier_runs_are_asked_for_before_anything_is_submitted(shop):
    shop.server.latency_s = (0.3, 0.3)
    shop.run("z", queue_wait_s=0.02)
    shop.server.latency_s = (0.0, 0.0)
    shop.server.asked.clear()
    shop.run("a", "b", "z", calls=1)
    first_post = next(n for n, call in enumerate(shop.server.asked) if call.startswith("POST"))
    assert first_post > 0
    assert all("/requests/" in call or "/files/" in call for call in shop.server.asked[:first_post])
    assert len(shop.server.jobs) == 3


def test_a_budget_has_no_room_for_more_while_a_request_is_open(shop):
    shop.server.latency_s = (0.5, 0.5)
    first, second = shop.run("a", "b", calls=1, budget={"run": 0.05}, queue_wait_s=0.05)
    assert first.failure.reason is FailureReason.WAITING
    assert second.failure.reason is FailureReason.BUDGET


def test_a_lost_answer_to_a_submission_is_an_unknown_call(shop):
    shop.server.next_submit = [LOST]
    (made,) = shop.run("a mug")
    assert made.raw is not None
    assert shop.outcomes == ["unknown", "made"]


def test_a_submission_that_is_turned_away_is_tried_again(shop):
    shop.server.next_submit = [429]
    shop.run("a mug")
    assert shop.outcomes == ["failed", "made"]
    assert len(shop.server.jobs) == 1


def test_trouble_while_polling_passes_and_nothing_is_submitted_again(shop):
    shop.server.next_poll = [503, LOST, 429, 500, 404, 404]  # a list that lags behind, too
    (made,) = shop.run("a mug")
    assert made.raw is not None
    assert len(shop.server.jobs) == 1
    assert shop.outcomes == ["made"]


def test_a_server_that_forgot_a_request_makes_its_outcome_unknown(shop):
    shop.server.latency_s = (9, 9)
    shop.run("a mug", queue_wait_s=0.02)
    shop.server.forget()
    shop.server.latency_s = (0, 0)
    (held,) = shop.run("a mug", unknown="hold")
    assert held.failure.reason is FailureReason.UNKNOWN
    assert shop.outcomes == ["unknown"]
    (made,) = shop.run("a mug")
    assert made.raw is not None
    assert sorted(shop.outcomes) == ["made", "unknown"]


def test_an_image_that_no_request_needs_anymore_is_fetched_too(shop, monkeypatch):
    shop.server.latency_s = (9, 9)
    shop.run("a mug", "a cup", queue_wait_s=0.02)
    for job in shop.server.jobs.values():
        job.ready_at = time.time()
    told = shop.begin_run(monkeypatch)
    assert told == ["  2 images came from the queue, where an earlier run left them."]
    assert len(shop.store.raw.index()) == 2
    assert shop.ledger_usd == shop.server.billed_usd() == 2 * PRICE_USD


def test_a_run_says_what_is_still_in_the_queue_and_a_dry_run_asks_nobody(shop, monkeypatch):
    shop.server.latency_s = (9, 9)
    shop.run("a mug", queue_wait_s=0.02)
    assert shop.begin_run(monkeypatch) == ["  1 call of earlier runs in the provider's queue."]
    shop.server.asked.clear()
    assert "1 call in its queue" in open_calls_words(shop.store)[0]
    assert not shop.server.asked


def test_an_image_whose_url_has_expired_is_told_as_paid_for(shop):
    shop.server.next_file = [410]
    (lost,) = shop.run("a mug")
    assert lost.failure.reason is FailureReason.UNREADABLE
    assert "paid for, but could not be fetched" in lost.failure.message
    (call,) = shop.calls
    assert call.closed["cost_usd"] == PRICE_USD


def test_a_refusal_is_final_and_costs_nothing(shop):
    (item,) = shop.run("a weapon")
    assert item.failure.reason is FailureReason.REFUSED
    assert shop.outcomes == ["refused"]
    assert shop.ledger_usd == shop.server.billed_usd() == 0


def test_a_request_that_failed_is_submitted_again_as_another_call(shop):
    shop.run("a paper jam")
    assert shop.outcomes == ["failed"] * 3
    assert len(shop.server.jobs) == 3


def test_a_request_that_ended_for_a_wrong_parameter_is_closed(shop):
    class Wrong(type(shop.server.form)):
        def told(self, job, what, base, file):
            if what == "state":
                return 200, {"status": "COMPLETED", "error": "validation", "error_type": "validation_error"}
            return 422, {"detail": [{"loc": ["body", "steps"], "msg": "too many", "type": "less_than"}]}

    shop.server.form = Wrong()
    (item,) = shop.run("a mug")
    assert item.failure.reason is FailureReason.FAILED
    assert "steps: too many" in item.failure.message
    assert shop.outcomes == ["failed"]


def test_a_key_that_is_refused_while_polling_stops_the_job_and_keeps_the_request(shop):
    shop.server.latency_s = (9, 9)
    shop.server.next_poll = [401]
    with pytest.raises(StoppedError):
        shop.run("a mug")
    assert shop.outcomes == ["waiting"]


def test_a_damaged_mark_is_looked_up_in_the_journal(shop):
    shop.server.latency_s = (0.3, 0.3)
    shop.run("a mug", queue_wait_s=0.02)
    (mark,) = shop.store.root.glob("open/*")
    mark.write_bytes(mark.read_bytes()[:-3])
    (made,) = shop.run("a mug")
    assert made.raw is not None
    assert len(shop.server.jobs) == 1


@pytest.mark.parametrize("form", MODELS)
def test_the_time_of_each_image_is_noted_once_and_that_of_a_refusal_is_not(form, tmp_path, monkeypatch):
    noted, first, last = [], {}, {}
    poll = provider_class(form).poll

    async def timed(self, ticket):
        first.setdefault(ticket.id, time.monotonic())
        try:
            return await poll(self, ticket)
        finally:
            last[ticket.id] = time.monotonic()

    monkeypatch.setattr(provider_class(form), "poll", timed)
    monkeypatch.setattr(queued.Durations, "note", lambda self, seconds: noted.append(seconds))
    with FakeQueue(form, latency_s=(0.1, 0.1)) as server:
        started = time.monotonic()
        Shop(tmp_path, server).run("a mug", "a cup", "a weapon")
        took = time.monotonic() - started
    assert len(noted) == 2
    polled = [last[ticket] - first[ticket] for ticket in first]
    assert min(polled) <= min(noted) <= max(noted) < took


def test_the_next_image_is_not_asked_for_much_too_early():
    durations = queued.Durations()
    assert queued._wait_s(Pending("in the queue"), 1.0, durations) < 1
    durations.note(10.0)
    assert queued._wait_s(Pending("in the queue"), 1.0, durations) >= 7.0
    assert queued._wait_s(Pending("in the queue"), 8.0, durations) < 1
    durations.note(100.0)
    assert queued._wait_s(Pending("in the queue"), 8.0, durations) < 1, "the shortest time counts"


def test_images_that_come_sooner_than_those_before_are_asked_for_sooner_and_sooner():
    durations, waits = queued.Durations(), []
    durations.note(60.0)
    for _ in range(40):
        waits.append(durations.left_s(0.0))
        durations.note(max(6.0, waits[-1]))  # each takes 6 s, and is seen once it is asked for
    assert waits[0] == 48.0
    assert max(waits[25:]) < 6.0


@pytest.mark.parametrize("asked_s", [1e9, float("inf"), float("nan"), -5.0])
def test_no_server_makes_a_job_look_away_for_hours(asked_s):
    assert 0 < _wait_s(Pending("queued", asked_s), 0.0, Durations()) <= 1.1 * LONGEST_ASKED_S
