"""Models that run in the job: called for several images at once, and stopped between two of its steps."""

import asyncio
import os
import signal
import threading

import pytest

from imagemake.config.job_settings import JobSettings
from imagemake.core.recipe import Recipe
from imagemake.plugins import registry
from imagemake.plugins.providers import BUILT_IN, FailureKind, ImageResponse, ProviderError, gathering
from imagemake.plugins.providers.gathering import Gatherer
from imagemake.plugins.providers.local import LocalProvider
from imagemake.stages.generate.calls import StoppedError, ToldToStopError
from imagemake.stages.generate.job import generate_for_job
from imagemake.store.items import Item
from imagemake.store.journal import Outcome, read_calls

BATCH = 4


class Model(LocalProvider):
    """A model that makes four images at once, and can be stopped while it does."""

    calls = ()
    on_call = staticmethod(lambda: None)
    fault = None

    def __init__(self, connection):
        super().__init__(connection)
        self.stopped = threading.Event()
        self.gatherer = Gatherer(self.make, lambda recipe: BATCH)

    @property
    def in_flight(self):
        if self.fault:
            raise self.fault
        return 2 * BATCH

    def kin(self, recipe):
        return str(recipe.parameters.get("size"))

    def make(self, recipes):
        type(self).calls = (*self.calls, [recipe.prompt for recipe in recipes])
        self.on_call()
        if self.stopped.is_set() or (len(self.calls) > 1 and self.on_call() == "wait" and self.stopped.wait(20)):
            return [ProviderError("stopped", FailureKind.UNAVAILABLE)] * len(recipes)
        return [ImageResponse(recipe.prompt.encode(), usage={"batch": len(recipes)}, seconds=1.5) for recipe in recipes]

    async def generate(self, recipe):
        return await self.gatherer.ask(self.kin(recipe), recipe)

    async def generate_from(self, recipe, images):
        return await self.generate(recipe)

    def stop(self):
        self.stopped.set()
        self.gatherer.refuse(ProviderError("stopped", FailureKind.UNAVAILABLE))

    async def close(self):
        await asyncio.to_thread(self.gatherer.close)


@pytest.fixture(autouse=True)
def model(monkeypatch):
    monkeypatch.setitem(BUILT_IN, "here", "here")
    resolve = registry.resolve_name
    monkeypatch.setattr(registry, "resolve_name", lambda name: Model if name == "here" else resolve(name))
    for name, value in (("calls", ()), ("on_call", staticmethod(lambda: None)), ("fault", None)):
        monkeypatch.setattr(Model, name, value)
    monkeypatch.setattr(gathering, "LINGER_S", 1.0)  # on a busy machine too, requests arrive before that


def items(n, size=lambda number: "64x64"):
    recipes = [Recipe("here", "m", f"{number}", 0, {"size": size(number)}) for number in range(n)]
    return [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]


def made(tmp_path, given):
    settings = JobSettings({"model": {"provider": "here", "name": "m"}})
    return generate_for_job(given, settings, job="j", calls=0, store=tmp_path / "store", work=tmp_path / "work")


def calls_in(tmp_path):
    return list(read_calls(tmp_path / "store" / "journal"))


def test_images_are_made_several_at_once_and_each_has_its_own_record(tmp_path):
    done = made(tmp_path, items(10))
    assert [len(call) for call in Model.calls] == [4, 4, 2]
    assert all(item.raw for item in done)
    calls = calls_in(tmp_path)
    assert len({call.sent["key"] for call in calls}) == len(calls) == 10
    assert {(call.outcome, call.closed["seconds"], call.closed["cost_usd"]) for call in calls} == {
        (Outcome.MADE, 1.5, 0.0)
    }


def test_what_can_be_made_at_once_comes_together_wherever_it_is_in_the_catalog(tmp_path):
    made(tmp_path, items(16, size=lambda number: f"{64 * (1 + number % 2)}x64"))
    assert [len(call) for call in Model.calls] == [4, 4, 4, 4]
    assert all(len({int(prompt) % 2 for prompt in call}) == 1 for call in Model.calls)


def test_nothing_is_made_twice(tmp_path):
    made(tmp_path, items(6))
    made(tmp_path, items(12))
    prompts = [prompt for call in Model.calls for prompt in call]
    assert sorted(prompts, key=int) == [str(number) for number in range(12)]


def test_a_signal_ends_what_is_being_made_and_keeps_what_was_made(tmp_path, monkeypatch):
    def told():
        if len(Model.calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            return "wait"
        return None

    monkeypatch.setattr(Model, "on_call", staticmethod(told))
    with pytest.raises(ToldToStopError, match="stopped by SIGINT; every image that arrived is in the store"):
        made(tmp_path, items(40))
    calls = calls_in(tmp_path)
    assert [call.outcome for call in calls].count(Outcome.MADE) == 4
    assert {call.outcome for call in calls} == {Outcome.MADE, Outcome.FAILED}
    assert len(Model.calls) == 2
    monkeypatch.setattr(Model, "on_call", staticmethod(lambda: None))
    assert all(item.raw for item in made(tmp_path, items(40)))
    assert sum(call.outcome is Outcome.MADE for call in calls_in(tmp_path)) == 40


def test_a_model_without_its_device_stops_the_job_with_a_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(Model, "fault", ProviderError("no torch", FailureKind.STOP, remedy="Install it."))
    with pytest.raises(StoppedError, match="no torch") as caught:
        made(tmp_path, items(1))
    assert caught.value.remedy == "Install it."
