"""Several people run at once on one store: each key is paid once, and everybody gets every image."""

import multiprocessing

import pytest
from fake_openai import FakeOpenAI, Settings

from imagemake.config.job_settings import JobSettings
from imagemake.core.recipe import Recipe
from imagemake.stages.generate.job import generate_for_job
from imagemake.store.items import Item
from imagemake.store.journal import Outcome, read_calls

RUNS, KEYS, EACH = 4, 80, 50


@pytest.fixture
def server(stand_in: FakeOpenAI) -> FakeOpenAI:
    stand_in.renew(Settings(any_size=True, latency_s=0.02))
    return stand_in


def generate(number, given, root, everybody):
    """Generate as a job of one run does, once all are there."""
    wanted = [n % KEYS for n in range(number * 10, number * 10 + EACH)]
    parameters = {"size": "64x64", "quality": "low"}
    recipes = [Recipe("openai", "gpt-image-2", f"p{n}", 0, parameters, endpoint="here") for n in wanted]
    items = [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]
    everybody.wait()
    made = generate_for_job(
        items,
        JobSettings(given),
        job=f"j{number}",
        calls=4,
        store=root / "store",
        work=root / f"{number}",
    )
    assert all(item.raw for item in made)


def test_each_key_that_four_runs_want_at_the_same_time_is_paid_once(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-stand-in")
    model = {"provider": "openai", "name": "gpt-image-2", "base_url": server.base_url, "identity": "here"}
    given = {"campaign": "c", "model": {**model, "key_from": "OPENAI_API_KEY"}}
    context = multiprocessing.get_context("fork")
    everybody = context.Barrier(RUNS)
    runs = [context.Process(target=generate, args=(n, given, tmp_path, everybody)) for n in range(RUNS)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(120)
    assert [run.exitcode for run in runs] == [0] * RUNS
    billed = server.totals().billed_by_prompt
    assert len(billed) == KEYS
    assert set(billed.values()) == {1}
    assert [call.outcome for call in read_calls(tmp_path / "store" / "journal")] == [Outcome.MADE] * KEYS
    assert not list((tmp_path / "store" / "claims").glob("*"))
