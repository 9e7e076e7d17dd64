"""Generation: what is called, how often, and what is on disk when."""

import asyncio
import base64
import os
import signal
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from imagemake.config.job_settings import JobSettings
from imagemake.config.run import Budget, Limits
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import (
    NOT_FETCHED,
    Connection,
    FailureKind,
    ImageResponse,
    Provider,
    ProviderError,
    SeedUse,
)
from imagemake.stages.generate.calls import CallRunner, StoppedError, ToldToStopError
from imagemake.stages.generate.gate import Gate
from imagemake.stages.generate.job import generate_for_job
from imagemake.stages.generate.one_call import Caller
from imagemake.stages.generate.rate_limit import SharedPace
from imagemake.stages.generate.stoppable import generate_batch
from imagemake.stages.generate.used_up import UsedUp
from imagemake.store.items import FailureReason, Item, write_table
from imagemake.store.journal import Journal, Outcome, read_calls
from imagemake.store.layout import stopping_file
from imagemake.store.progress import JobProgress, Progress, read_progress
from imagemake.store.spending import SpendTracker
from imagemake.store.store import Store

QUICK = Limits(first_wait_s=0.001, longest_wait_s=0.002, tries=3)


class Scripted(Provider):
    """A provider that does what it is told, prompt by prompt, and then makes images."""

    paid = True

    def __init__(self, **script):
        super().__init__(Connection())
        self.script = {prompt: list(errors) for prompt, errors in script.items()}
        self.calls = []
        self.in_flight = self.most_in_flight = 0

    async def generate(self, recipe):
        self.calls.append(recipe.prompt)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(0.005)
        self.in_flight -= 1
        if self.script.get(recipe.prompt):
            raise self.script[recipe.prompt].pop(0)
        return ImageResponse(image=f"image of {recipe.prompt}".encode(), request_id="req_1")

    async def close(self):
        pass


def error(failure, **details):
    return ProviderError("it says no", failure, **details)


def items(*prompts):
    recipes = [Recipe("openai", "m", prompt, 0) for prompt in prompts]
    return [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]


@pytest.fixture
def buy(tmp_path):
    def run(provider, given, limits=QUICK, calls=4, progress=None, used_up=None, budget=None):
        async def inside():
            gate = Gate(calls, SharedPace(tmp_path / "pace.json", limits))
            journal = Journal(tmp_path / "store" / "journal", "job", durable=True)
            store = Store(tmp_path / "store")
            spend_tracker = SpendTracker(tmp_path / "spending.json", budget or Budget())
            spend_tracker.open(Decimal(0))
            caller = Caller(provider, store, journal, limits, gate, spend_tracker, "c", lambda _: None)
            return await generate_batch([(CallRunner(caller, used_up), given)], calls, 5, progress)

        return asyncio.run(inside())

    return run


def outcomes(tmp_path):
    return [call.outcome for call in read_calls(tmp_path / "store" / "journal")]


def test_every_image_is_in_the_store_and_every_call_in_the_journal(buy, tmp_path):
    made = buy(Scripted(), items("a", "b"))
    assert [Store(tmp_path / "store").raw.read(item.raw) for item in made] == [b"image of a", b"image of b"]
    assert outcomes(tmp_path) == [Outcome.MADE, Outcome.MADE]


def test_a_call_that_does_not_fit_the_budget_is_neither_sent_nor_recorded(buy, tmp_path):
    provider = Scripted()
    (made,) = buy(provider, items("a"), budget=Budget(run=1.0))  # what a call of this model costs is unknown
    assert made.failure.reason is FailureReason.BUDGET
    assert (provider.calls, outcomes(tmp_path)) == ([], [])


def test_the_journal_says_what_became_of_the_seed_and_what_the_provider_billed(buy, tmp_path):
    class Telling(Scripted):
        def seed_use(self, model):
            return SeedUse.SENT if model == "m" else None

        async def generate(self, recipe):
            response = await super().generate(recipe)
            server = {"seed_use": SeedUse.SERVER, "seed": 42} if recipe.prompt == "b" else {}
            return replace(response, cost_usd=0.0125, model="m-2026-11-01", **server)

    buy(Telling(), items("a", "b"))
    closed = {call.sent["name"]: call.closed for call in read_calls(tmp_path / "store" / "journal")}
    told = {
        name: [end.get(field) for field in ("seed_use", "seed_used", "cost_usd", "model_used")]
        for name, end in closed.items()
    }
    assert told == {"a": ["sent", None, 0.0125, "m-2026-11-01"], "b": ["set by the server", 42, 0.0125, "m-2026-11-01"]}


def test_what_the_store_holds_is_adopted_without_a_call(buy):
    first = Scripted()
    buy(first, items("a"))
    second = Scripted()
    made = buy(second, items("a", "b"))
    assert second.calls == ["b"]
    assert made[0].raw is not None


def test_the_same_key_twice_in_a_batch_is_bought_once(buy):
    provider = Scripted()
    made = buy(provider, items("a", "a"))
    assert provider.calls == ["a"]
    assert made[0].raw == made[1].raw


@pytest.mark.parametrize("failure", [FailureKind.RATE_LIMITED, FailureKind.UNAVAILABLE, FailureKind.UNKNOWN])
def test_what_can_succeed_later_is_tried_again(buy, failure):
    provider = Scripted(a=[error(failure), error(failure)])
    (made,) = buy(provider, items("a"))
    assert made.raw is not None
    assert len(provider.calls) == 3


def test_tries_are_bounded_and_the_failure_is_an_outcome(buy, tmp_path):
    provider = Scripted(a=[error(FailureKind.UNAVAILABLE)] * 9)
    made = buy(provider, items("a", "b"))
    assert provider.calls.count("a") == 3
    assert (made[0].failure.reason, made[1].failure) == ("failed", None)
    assert outcomes(tmp_path).count(Outcome.FAILED) == 3


@pytest.mark.parametrize("failure", [FailureKind.REFUSED, FailureKind.UNREADABLE])
def test_what_is_final_is_asked_for_once(buy, failure):
    provider = Scripted(a=[error(failure, body=b"not json")])
    (made,) = buy(provider, items("a"))
    assert provider.calls == ["a"]
    assert made.failure.reason == failure.value


def test_an_answer_that_was_paid_for_and_cannot_be_read_is_kept(buy, tmp_path):
    buy(Scripted(a=[error(FailureKind.UNREADABLE, body=b"<html>")]), items("a"))
    (kept,) = (tmp_path / "store" / "unreadable").iterdir()
    assert kept.read_bytes() == b"<html>"


class AtUrls(Scripted):
    """A provider whose images are at URLs; `read_again` finds what it is told, in turn."""

    def __init__(self, *found):
        super().__init__()
        self.found, self.kept_at_fetch = list(found), []

    async def generate(self, recipe):
        await super().generate(recipe)
        details = {"body": b"a URL", "request_id": "req_7", "usage": {"total_tokens": 7}, "status": 200}
        raise error(FailureKind.TO_FETCH, **details)

    async def read_again(self, body):
        self.kept_at_fetch.append([path.read_bytes() for path in self.folder.glob("store/unreadable/*")])
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return ImageResponse(found)


def test_a_response_is_on_disk_before_its_image_is_fetched_and_no_longer_than_that(buy, tmp_path):
    provider = AtUrls(b"the image")
    provider.folder = tmp_path
    (made,) = buy(provider, items("a"))
    assert Store(tmp_path / "store").raw.read(made.raw) == b"the image"
    assert provider.kept_at_fetch == [[b"a URL"]]
    assert not list(tmp_path.glob("store/unreadable/*"))
    (call,) = read_calls(tmp_path / "store" / "journal")
    assert (call.outcome, call.closed["request_id"], call.closed["usage"]) == ("made", "req_7", {"total_tokens": 7})


def test_an_image_that_cannot_be_fetched_is_paid_for_once_and_its_response_is_kept(buy, tmp_path):
    provider = AtUrls(error(FailureKind.UNREADABLE))
    provider.folder = tmp_path
    (made,) = buy(provider, items("a"))
    assert (made.raw, made.failure.reason) == (None, "unreadable")
    assert provider.calls == ["a"]
    assert [path.read_bytes() for path in tmp_path.glob("store/unreadable/*")] == [b"a URL"]
    (call,) = read_calls(tmp_path / "store" / "journal")
    assert (call.outcome, call.closed["code"], call.closed["request_id"]) == ("unreadable", NOT_FETCHED, "req_7")


class Echo(Scripted):
    """A provider whose server says back what it was sent, with the key, in all that it says."""

    async def generate(self, recipe):
        sent = ECHOES[recipe.prompt]
        usage = {"total_tokens": 3, sent: {"seen": sent}}
        facts = {"request_id": f"req {sent}", "usage": usage, "headers": {"x-echo": sent}}
        if recipe.prompt.startswith("made"):
            return ImageResponse(image=f"no image: {sent}".encode(), more=(sent.encode(),), **facts)
        raise ProviderError(
            f"denied: {sent}", FailureKind.REFUSED, code=f"bad {sent}", body=b"<\xff>" + sent.encode(), **facts
        )


KEY = "sk-echoed/0123+4567"
HEADER = {"plain": f"Bearer {KEY}", "base64": base64.b64encode(f"Bearer {KEY}".encode()).decode()}
ECHOES = {f"{outcome} {form}": text for form, text in HEADER.items() for outcome in ("made", "denied")}


def test_a_key_that_the_server_echoes_is_in_no_file_and_no_message(buy, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    write_table(tmp_path / "outcomes.jsonl", buy(Echo(), items(*ECHOES)))
    files = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*") if path.is_file()}
    assert {"unreadable", "journal", "raw", "more"} <= {name.parts[1] for name in files if len(name.parts) > 1}
    known = [*(text.encode() for text in HEADER.values()), KEY.encode()]
    holding = [str(name) for name, path in files.items() if any(one in path.read_bytes() for one in known)]
    assert not holding
    assert KEY not in "".join(capsys.readouterr()), "the key is told"
    closed = [call.closed for call in read_calls(tmp_path / "store" / "journal") if call.outcome is Outcome.REFUSED]
    assert "denied: Bearer [secret]" in {one["message"] for one in closed}
    assert "req Bearer [secret]" in {one["request_id"] for one in closed}
    assert {one["usage"]["total_tokens"] for one in closed} == {3}


def test_a_call_without_an_answer_is_not_repeated_where_the_user_holds_it(buy, tmp_path):
    provider = Scripted(a=[error(FailureKind.UNKNOWN)])
    (made,) = buy(provider, items("a"), Limits(unknown="hold"))
    assert provider.calls == ["a"]
    assert made.failure.reason == "unknown"
    assert outcomes(tmp_path) == [Outcome.UNKNOWN]


def test_what_can_never_succeed_stops_the_batch_and_says_what_to_do(buy, tmp_path):
    provider = Scripted(b=[error(FailureKind.STOP, remedy="Pay the bill.")])
    with pytest.raises(StoppedError) as stopped:
        buy(provider, items("a", "b", *"cdefghijklmnop"), calls=2)
    assert stopped.value.remedy == "Pay the bill."
    assert len(provider.calls) <= 4
    made = [call.outcome for call in read_calls(tmp_path / "store" / "journal")].count(Outcome.MADE)
    assert len(Store(tmp_path / "store").raw.index()) == made


def test_a_model_without_quota_is_called_no_more_in_any_job_where_another_one_can_take_over(buy, tmp_path, capsys):
    note = UsedUp("m", tmp_path / "used_up" / "note.txt", "job")
    provider = Scripted(b=[error(FailureKind.QUOTA, remedy="Pay the bill.")])
    made = buy(provider, items("a", "b", *"cdefghijklmnop"), calls=2, used_up=note)
    assert 0 < len(provider.calls) <= 4
    assert {item.failure.reason for item in made if item.raw is None} == {"failed", "stopped"}
    told = capsys.readouterr().err
    assert told.startswith("job: Warning: no quota is left for m: it says no\n")
    assert "Pay the bill." in told
    closed = [call.closed for call in read_calls(tmp_path / "store" / "journal")]
    assert [one.get("quota") for one in closed if one["outcome"] == "failed"] == [True]
    other = Scripted()
    buy(other, items("q", "r"), used_up=note)
    assert (other.calls, capsys.readouterr().err) == ([], "")
    with pytest.raises(StoppedError):
        buy(Scripted(s=[error(FailureKind.QUOTA)]), items("s"))


def test_images_that_wait_for_their_turn_are_let_go_when_the_quota_ends(buy, tmp_path):
    note = UsedUp("m", tmp_path / "used_up" / "note.txt", "job")
    provider = Scripted(a=[error(FailureKind.QUOTA)])
    limits = QUICK.model_copy(update={"images_per_min": 1.0})
    assert len(buy(provider, items(*"abcdefgh"), limits, used_up=note)) == 8, "not one a minute"
    assert provider.calls == ["a"]


def test_no_more_calls_are_in_flight_than_the_job_has_tokens(buy):
    provider = Scripted()
    buy(provider, items(*(f"p{n}" for n in range(40))), calls=3)
    assert provider.most_in_flight == 3


def test_one_rate_limit_halves_the_calls_of_the_whole_job(buy):
    provider = Scripted(p0=[error(FailureKind.RATE_LIMITED)])
    buy(provider, items(*(f"p{n}" for n in range(6))), calls=4)
    assert len(provider.calls) == 7


def test_a_batch_whose_images_are_all_there_starts_no_provider(buy, tmp_path):
    buy(Scripted(), items("a"))
    job_settings = JobSettings({"model": {"provider": "openai", "name": "m"}})  # would need a key to start
    made = generate_for_job(items("a"), job_settings, job="j", calls=1, store=tmp_path / "store", work=tmp_path)
    assert made[0].raw is not None


def test_a_missing_key_stops_before_any_call_and_names_the_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    job_settings = JobSettings({"model": {"provider": "openai", "name": "m"}})
    with pytest.raises(StoppedError, match="OPENAI_API_KEY"):
        generate_for_job(items("a"), job_settings, job="j", calls=1, store=tmp_path / "store", work=tmp_path)


def test_a_job_tells_its_images_failures_and_calls_in_flight(buy, tmp_path):
    told = []

    class Watched(Scripted):
        async def generate(self, recipe):
            await asyncio.sleep(0.05)
            told.append(progress.now)
            return await super().generate(recipe)

    progress = JobProgress(tmp_path, Path("work/generated/job.jsonl"), 3)
    buy(Watched(b=[error(FailureKind.REFUSED)]), items("a", "b", "c"), calls=1, progress=progress)
    assert told[0].done == 0
    assert read_progress(tmp_path / "progress/generated-job.json") == Progress(images=3, done=2, failed=1)


def test_a_job_ends_when_the_run_was_told_to_stop_and_lets_its_calls_land(buy, tmp_path, monkeypatch):
    monkeypatch.setattr("imagemake.stages.generate.progress.LOOK_EVERY_S", 0.01)
    progress = JobProgress(tmp_path, Path("work/generated/job.jsonl"), 8)

    class Watched(Scripted):
        async def generate(self, recipe):
            stopping_file(tmp_path).touch()
            await asyncio.sleep(0.1)
            return await super().generate(recipe)

    with pytest.raises(ToldToStopError, match="stopped by the end of the run"):
        buy(Watched(), items(*"abcdefgh"), calls=2, progress=progress)
    assert outcomes(tmp_path) == [Outcome.MADE, Outcome.MADE]
    assert progress.now.done == 2


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_second_signal_gives_calls_up_but_not_the_same_signal_sent_twice(buy, tmp_path, monkeypatch, name):
    monkeypatch.setattr("imagemake.stages.generate.stoppable.SAME_S", 0.2)
    number = getattr(signal, name)

    class Slow(Scripted):
        async def generate(self, recipe):
            loop = asyncio.get_running_loop()
            for after_s in (0, 0.05, 0.4):
                loop.call_later(after_s, os.kill, os.getpid(), number)
            started = loop.time()
            try:
                await asyncio.sleep(4)
            finally:
                waits.append(loop.time() - started)

    waits = []
    with pytest.raises(ToldToStopError, match="may be billed"):
        buy(Slow(), items("a"))
    assert 0.3 < waits[0] < 3


def test_a_full_disk_lets_what_is_in_flight_land_and_starts_no_other_call(buy, tmp_path):
    class Broken(Scripted):
        async def generate(self, recipe):
            answer = await super().generate(recipe)
            if recipe.prompt == "a":
                raise OSError("no space left on device")
            await asyncio.sleep(0.05)
            return answer

    provider = Broken()
    with pytest.raises(OSError, match="no space"):
        buy(provider, items(*"abcdefgh"), calls=3)
    assert len(provider.calls) == 3
    assert outcomes(tmp_path).count(Outcome.MADE) == 2
