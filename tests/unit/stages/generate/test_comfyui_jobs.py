"""Jobs on ComfyUI servers: every image is made once, whatever dies, and Ctrl-C frees the servers."""

import json
import os
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack
from hashlib import sha256

import pytest
from fake_comfyui import FakeComfyUI, workflow
from unit.plugins.providers.test_comfyui import template
from unit.plugins.providers.test_comfyui_conformance import INPUTS

from imagemake.config.job_settings import JobSettings
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers.comfyui import pool
from imagemake.plugins.providers.comfyui.host import Host
from imagemake.stages.generate import queued
from imagemake.stages.generate.calls import ToldToStopError
from imagemake.stages.generate.job import generate_for_job
from imagemake.store.items import Item
from imagemake.store.journal import Outcome, read_calls
from imagemake.store.open_calls import OpenCalls
from imagemake.store.store import Store

TEMPLATE = template()
DIGEST = sha256(TEMPLATE).hexdigest()


def handed_over(server):
    """Return the prompts whose image was fetched; what a server finishes just before its death is lost with it."""
    return [prompt for name in server.fetched if (prompt := server.prompts.get(name.partition("_")[0]))]


class Killed(BaseException):
    """The process ends here."""


class Shop:
    """A store, and servers that make its images."""

    def __init__(self, folder, servers):
        self.folder, self.servers, self.store = folder, servers, Store(folder / "store")
        self.store.references.put(DIGEST, TEMPLATE, durable=False, extension="json")
        (folder / "workflow.json").write_text(json.dumps(workflow()))

    def run(self, n, calls=8, **limits):
        first, *more = [server.base_url for server in self.servers]
        settings = JobSettings(
            {
                "campaign": "c",
                "model": {
                    "provider": "comfyui",
                    "name": "mugs",
                    "base_url": first,
                    "pool": more,
                    "workflow": {"file": "workflow.json", "inputs": INPUTS},
                },
                "limits": {"first_wait_s": 0.01, "longest_wait_s": 0.05, "queue_wait_s": 20, **limits},
            }
        )
        recipes = [
            Recipe("comfyui", "mugs", f"mug {number}", 7, model_files={"workflow": DIGEST}) for number in range(n)
        ]
        items = [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]
        work = self.folder / "work"
        return generate_for_job(items, settings, job="job", calls=calls, store=self.store.root, work=work)

    @property
    def calls(self):
        return list(read_calls(self.store.journal_folder))

    def made(self):
        return Counter(one.graph["6"]["inputs"]["text"] for server in self.servers for one in server.made())


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(queued, "FIRST_LOOK_S", 0.02)
    monkeypatch.setattr(pool, "DEAD_AFTER_S", 0.3)


@pytest.fixture
def shop(tmp_path):
    with ExitStack() as stack:
        yield Shop(tmp_path, [stack.enter_context(FakeComfyUI()) for _ in range(4)])


def test_one_of_four_servers_dies_and_no_image_is_lost_or_made_twice(shop):
    dying = shop.servers[1]

    def die():
        while len(dying.made()) < 2 or dying._running is None:
            time.sleep(0.005)
        dying.die()

    killer = threading.Thread(target=die)
    killer.start()
    made = shop.run(40, calls=12)
    killer.join()
    assert all(item.raw for item in made)
    fetched = [prompt.graph["6"]["inputs"]["text"] for server in shop.servers for prompt in handed_over(server)]
    assert sorted(fetched) == sorted(f"mug {number}" for number in range(40)), "each once"
    lost = [one for one in dying.prompts.values() if one not in handed_over(dying)]
    assert [one for one in lost if one.state == "lost"]
    outcomes = Counter(call.outcome for call in shop.calls)
    assert outcomes[Outcome.MADE] == 40
    assert outcomes[Outcome.UNKNOWN] >= len(lost), "each is told, since nobody can ask"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_that_is_killed_while_it_submits_leaves_the_id_behind_and_nothing_is_made_twice(
    shop, monkeypatch, moment
):
    ask = Host.ask

    async def killed(self, method, path, **content):
        if (method, path) != ("POST", "prompt"):
            return await ask(self, method, path, **content)
        if moment == "after":
            await ask(self, method, path, **content)
        raise Killed

    monkeypatch.setattr(Host, "ask", killed)
    with pytest.raises(Killed):
        shop.run(1)
    (call,) = OpenCalls(shop.store.root).all()
    monkeypatch.setattr(Host, "ask", ask)
    (made,) = shop.run(1)
    assert made.raw
    assert shop.made() == {"mug 0": 1}
    ids = [one.id for server in shop.servers for one in server.prompts.values()]
    assert (ids == [call.ticket["id"]]) == (moment == "after")
    assert not OpenCalls(shop.store.root).all()


def test_ctrl_c_takes_what_waits_out_of_the_queue_and_interrupts_what_runs_too_long(shop):
    for server in shop.servers:
        server.latency_s = 60

    def interrupt():
        while sum(len(server.prompts) for server in shop.servers) < 8:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(ToldToStopError):
        shop.run(8, grace_s=2)
    states = Counter(one.state for server in shop.servers for one in server.prompts.values())
    assert states == {"deleted": 4, "cancelled": 4}
    assert {call.outcome for call in shop.calls} == {Outcome.FAILED}
    assert not OpenCalls(shop.store.root).all()
    for server in shop.servers:
        server.latency_s = 0.05
    assert all(item.raw for item in shop.run(8))
    assert shop.made() == {f"mug {number}": 1 for number in range(8)}


def test_what_is_nearly_done_at_ctrl_c_is_kept(shop):
    for server in shop.servers:
        server.latency_s = 0.6

    def interrupt():
        while not all(server._running for server in shop.servers):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(ToldToStopError):
        shop.run(4, grace_s=5)
    assert [call.outcome for call in shop.calls] == [Outcome.MADE] * 4


def test_a_missing_model_stops_the_run_after_two_requests(shop):
    for server in shop.servers:
        server.models = ("other.safetensors",)
    with pytest.raises(Exception, match=r"node 4 \(CheckpointLoaderSimple\): Value not in list: ckpt_name"):
        shop.run(30)
    assert len(shop.calls) <= 12
    assert not shop.made()


def test_many_prompts_are_spread_over_all_servers(shop):
    made = shop.run(60, calls=12)
    assert all(item.raw for item in made)
    assert min(len(server.prompts) for server in shop.servers) >= 6
