"""Jobs on two nodes keep to each rate together, whether the nodes share a disk or not."""

import multiprocessing

import pytest
from fake_openai import FakeOpenAI, Settings

from imagemake.config.job_settings import JobSettings
from imagemake.core.recipe import Recipe
from imagemake.stages.generate.job import generate_for_job
from imagemake.store.items import Item
from imagemake.store.whole.shared_work import VARIABLE

EACH, CALLS, PER_MIN = 7, 4, 200  # images and calls in flight of a node; images of both nodes per minute
TOKENS = 137  # of each image that the stand-in makes
LATE_S = 1.0  # that the first call may take longer to arrive than the last


@pytest.fixture
def server(stand_in: FakeOpenAI) -> FakeOpenAI:
    stand_in.renew(Settings(any_size=True))
    return stand_in


def generate(node, given, work, store):
    parameters = {"size": "64x64", "quality": "low"}
    recipes = [Recipe("openai", "gpt-image-2", f"{node} {n}", 0, parameters, endpoint="here") for n in range(EACH)]
    items = [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]
    made = generate_for_job(items, JobSettings(given), job=f"j{node}", calls=CALLS, store=store, work=work)
    assert all(item.raw for item in made)


@pytest.mark.parametrize("shares_disk", [True, False])
@pytest.mark.parametrize("rate", [{"requests_per_min": PER_MIN}, {"tokens_per_min": PER_MIN * TOKENS}])
def test_no_more_calls_start_on_both_nodes_than_a_rate_allows(server, tmp_path, monkeypatch, shares_disk, rate):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-stand-in")
    if not shares_disk:
        monkeypatch.setenv(VARIABLE, "s3://bucket/run")
    model = {"provider": "openai", "name": "gpt-image-2", "base_url": server.base_url, "identity": "here"}
    limits = {"in_flight": 2 * CALLS, **rate}
    given = {"campaign": "c", "model": {**model, "key_from": "OPENAI_API_KEY"}, "limits": limits}
    context = multiprocessing.get_context("fork")
    folders = [tmp_path / ("shared" if shares_disk else str(node)) for node in range(2)]
    nodes = [
        context.Process(target=generate, args=(node, given, folder / "work", folder / "store"))
        for node, folder in enumerate(folders)
    ]
    for node in nodes:
        node.start()
    for node in nodes:
        node.join(120)
    assert [node.exitcode for node in nodes] == [0, 0]
    calls = server.calls()
    assert {call.usage["total_tokens"] for call in calls} == {TOKENS}
    arrived = sorted(call.arrived_s for call in calls)
    assert len(arrived) == 2 * EACH
    assert arrived[-1] - arrived[0] > 60 / PER_MIN * (len(arrived) - 1) - LATE_S, arrived
