"""`imagemake queue`: what waits in a provider's queue is listed, collected, and canceled without a run."""

import json

import pytest
import yaml
from fake_queue import FakeQueue
from fake_queue.server import PRICE_USD

from imagemake.cli.main import main
from imagemake.config.job_settings import JobSettings
from imagemake.core.recipe import Recipe
from imagemake.stages.generate import queued
from imagemake.stages.generate.job import generate_for_job
from imagemake.store.items import Item
from imagemake.store.journal import read_calls


@pytest.fixture
def server():
    with FakeQueue("fal", latency_s=(600, 600)) as running:
        yield running


@pytest.fixture
def project(tmp_path, server, monkeypatch, capsys):
    """A project with two requests in the queue, and a function that runs the command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STAND_IN_KEY", "stand-in-key")
    monkeypatch.setattr(queued, "FIRST_LOOK_S", 0.005)
    name = "fal-ai/flux-2-pro"
    address = {"base_url": server.base_url, "identity": "fal", "key_from": "STAND_IN_KEY"}
    facts = {"prices": {"usd_per_image": PRICE_USD, "as_of": "2026-11-01"}}
    sections = {
        "campaign": "c",
        "model": {"provider": "fal", "name": name, **address},
        "models": {"fal": {name: facts}},
        "limits": {"queue_wait_s": 0.02},
    }
    (tmp_path / "config").mkdir()
    campaign = {**sections, "catalog": "config/catalog.csv", "prompt": "{x}", "name": "{x}"}
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(campaign))
    recipes = [Recipe("fal", name, prompt, 7) for prompt in ("mug", "cup")]
    items = [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]
    settings = JobSettings({**sections, "budget_usd": {}})
    generate_for_job(items, settings, job="job", calls=2, store=tmp_path / "store", work=tmp_path / "work")
    capsys.readouterr()

    def run(*options, expect=0):
        with pytest.raises(SystemExit) as ended:
            main(["queue", *options])
        assert ended.value.code == expect
        return capsys.readouterr()

    return run


def test_requests_are_listed_with_the_provider_s_word_and_their_highest_cost(project, server):
    rows = json.loads(project("--json").out)
    assert {row["id"] for row in rows} == set(server.jobs)
    assert {(row["name"], row["state"], row["worst_usd"]) for row in rows} == {
        ("mug", "in the queue, position 1", PRICE_USD),
        ("cup", "in the queue, position 1", PRICE_USD),
    }


def test_offline_asks_nobody(project, server):
    server.asked.clear()
    assert "unknown" in project("--offline").out
    assert not server.asked


def test_what_is_done_is_collected(project, server, tmp_path):
    done = next(iter(server.jobs.values()))
    done.ready_at = 0
    assert "done" in project().out
    told = project("--collect")
    assert done.id not in told.out
    assert "1 image came from the queue" in told.err
    assert [call.outcome.value for call in read_calls(tmp_path / "store" / "journal")].count("made") == 1


def test_a_canceled_request_is_closed_and_costs_nothing(project, server, tmp_path):
    job = next(iter(server.jobs.values()))
    assert job.id not in project("--cancel", job.id[:8]).out
    assert job.canceled
    outcomes = [call.outcome.value for call in read_calls(tmp_path / "store" / "journal")]
    assert sorted(outcomes) == ["failed", "waiting"]


def test_an_id_that_nobody_knows_is_told(project):
    assert "matches no request in a queue" in project("--cancel", "zzz", expect=2).err


def test_an_empty_queue_is_said_to_be_empty(project, server):
    for job in server.jobs.values():
        job.ready_at = 0
    assert project("--collect").out == "No request is in a queue.\n"
