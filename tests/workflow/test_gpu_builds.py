"""Jobs that compute on a GPU, on a machine that seems to have two cards."""

import os
from itertools import pairwise

import orjson
import pytest
from gpus import FAKE_NVML, install_recorded
from workflow.project import Project


@pytest.fixture
def on_cards(tmp_path, monkeypatch):
    """A project of 20 images in 4 jobs, whose provider is a plug-in that uses a GPU."""
    install_recorded(tmp_path / "installed", monkeypatch, takes_s=0.2)
    monkeypatch.setenv("PYTHONPATH", f"{FAKE_NVML}:{os.environ['PYTHONPATH']}")
    monkeypatch.setenv("FAKE_NVML_CARDS", "2")
    model = {"provider": "on-cards", "name": "preview-1", "parameters": {"size": "96x96"}}
    prices = {"as_of": "2026-11-01", "usd_per_gpu_hour": 36}
    models = {"on-cards": {"*": {"prices": prices}}}
    return Project(tmp_path / "project", rows=20, model=model, batch_size=5, models=models)


def test_two_cards_make_two_jobs_at_a_time_and_never_two_on_one_card(on_cards, tmp_path):
    done = on_cards.snakemake("--cores", "4", "--verbose")
    told = [orjson.loads(line) for line in (tmp_path / "installed" / "told").read_bytes().splitlines()]
    assert len(told) == 20
    jobs = {}
    for card, process, begun, ended in told:
        jobs.setdefault((card, process), []).append((begun, ended))
    assert len(jobs) == len({process for _, process in jobs}) == 4
    assert {card for card, _ in jobs} == {"GPU-00000000-fake", "GPU-00000001-fake"}
    spans = {job: (min(begun for begun, _ in calls), max(ended for _, ended in calls)) for job, calls in jobs.items()}
    for card in {card for card, _ in jobs}:
        own = sorted(span for job, span in spans.items() if job[0] == card)
        assert all(before[1] <= after[0] for before, after in pairwise(own))
    first, second = sorted(spans.values())[:2]
    assert second[0] < first[1]  # the two cards work side by side
    log = on_cards.logs[id(done)][1]
    assert log.count(", gpu=1") == 4, log
    assert "'gpu': 2," in log  # what the run has in all

    rows = on_cards.manifest().values()
    assert {row["gpu"] for row in rows} == {"NVIDIA Fake 100"}
    assert all(float(row["cost_usd"]) == pytest.approx(float(row["gpu_seconds"]) / 100, abs=1e-5) for row in rows)
    assert all(float(row["energy_wh"]) > 0 for row in rows)
    metrics = orjson.loads((on_cards.folder / "results" / "metrics.json").read_bytes())
    assert metrics["kwh_per_1000_images"] > 0
    for log_of_job in (on_cards.folder / "logs" / "generate").glob("*.log"):
        assert log_of_job.read_text().startswith("GPU NVIDIA Fake 100: ")
