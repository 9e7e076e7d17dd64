"""What images cost on a GPU that is billed by the hour, and what the journal says of the card."""

import asyncio
from datetime import date

import pytest
from gpus import OnCards, with_cards, with_provider
from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.job_settings import JobSettings
from imagemake.core.gpus import Reading, cards
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import ImageResponse
from imagemake.stages.generate import gpu_meter, gpu_watch
from imagemake.stages.generate.gpu_meter import GpuMeter
from imagemake.stages.generate.gpu_watch import GpuWatch, summary_of
from imagemake.stages.generate.job import generate_for_job
from imagemake.store import seen_gpus as seen_gpus_module
from imagemake.store.items import FailureReason, Item
from imagemake.store.journal import read_calls
from imagemake.store.layout import spending_file
from imagemake.store.progress import JobProgress
from imagemake.store.seen_gpus import seen_gpus, write_seen
from imagemake.store.spending import SpendTracker, spent_in

PRICES = {"as_of": date(2026, 11, 1), "usd_per_gpu_hour": 3600}  # a USD per second


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests move."""
    now = [100.0]
    monkeypatch.setattr(gpu_meter.time, "monotonic", lambda: now[0])
    return now


@given(st.lists(st.tuples(st.sampled_from(["begin", "end"]), st.integers(0, 50)), max_size=40))
def test_calls_together_take_exactly_the_time_in_which_any_was_in_flight(steps):
    now, busy_s, running, taken = 100.0, 0, [], []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gpu_meter.time, "monotonic", lambda: now)
        meter = GpuMeter(is_on=True)
        for what, step_s in [*steps, *[("end", 1)] * len(steps)]:
            busy_s += step_s if running else 0
            now += step_s
            if what == "begin":
                running.append(meter.call())
                taken.append(running[-1].__enter__())
            elif running:
                running.pop(0).__exit__(None, None, None)
    assert not running
    assert sum(busy.seconds for busy in taken) == pytest.approx(busy_s)


def test_a_provider_that_knows_how_long_an_image_took_is_believed(clock):
    meter = GpuMeter(is_on=True)
    with meter.call() as busy:
        clock[0] += 8
    assert meter.record(busy, 2.0, gpus=1) == {"seconds": 2.0}
    assert meter.record(busy, None, gpus=2) == {"seconds": 16.0}  # both cards were busy
    assert GpuMeter(is_on=False).record(busy, 2.0, gpus=1) is None


def test_calls_of_other_jobs_share_the_time_of_the_server(clock):
    meter = GpuMeter(is_on=True, elsewhere=lambda: 3)
    with meter.call() as busy:
        clock[0] += 8
    assert busy.seconds == 2.0


def test_the_calls_of_other_jobs_are_those_that_they_told(tmp_path):
    tables = ("generated/a.jsonl", "generated/b.jsonl", "validated/c.jsonl")
    mine, other, another_stage = (JobProgress(tmp_path, tmp_path / table, 9) for table in tables)
    for progress in (mine, other, another_stage):
        progress._written_at = 0.0
        progress.update(in_flight=4)
    assert mine.in_flight_elsewhere() == 4
    other.end()
    assert mine.in_flight_elsewhere() == 4  # it looks once a second
    mine._looked_at = 0.0
    assert mine.in_flight_elsewhere() == 0


def items(n):
    recipes = [Recipe("on-cards", "m", f"A mug, {place}", place) for place in range(n)]
    return [Item(f"mug-{place}", 0, recipe, recipe.key(), "new") for place, recipe in enumerate(recipes)]


@pytest.fixture
def generate(monkeypatch, tmp_path):
    """Generates images, each of which takes two seconds of a card at 200 W."""
    with_provider(monkeypatch)
    monkeypatch.setattr(gpu_watch, "EVERY_S", 0.02)

    async def make(self, recipe):
        await asyncio.sleep(0.05)
        return ImageResponse(b"image of " + recipe.prompt.encode(), seconds=2.0)

    monkeypatch.setattr(OnCards, "generate", make)
    (tmp_path / "work").mkdir()

    def run(n=4, prices=None, alert=lambda text: None, **sections):
        model = {"provider": "on-cards", "name": "m"}
        models = {"on-cards": {"*": {"prices": prices}}} if prices else {}
        job_settings = JobSettings({"model": model, "models": models, "campaign": "shop", **sections})
        spending = SpendTracker(spending_file(tmp_path / "work"), job_settings.budget_usd)
        spending.open(spent_in(tmp_path / "store" / "journal", "shop"))
        folders = {"store": tmp_path / "store", "work": tmp_path / "work"}
        progress = JobProgress(tmp_path / "work", tmp_path / "work" / "generated" / "j.jsonl", n)
        made = generate_for_job(items(n), job_settings, job="j", calls=0, progress=progress, alert=alert, **folders)
        return made, list(read_calls(tmp_path / "store" / "journal"))

    return run


def test_the_journal_says_what_each_image_took_of_its_card(monkeypatch, tmp_path, generate, capsys):
    fake = with_cards(monkeypatch, 1, tmp_path)
    fake.CARDS[0].used = 6 * 2**30
    made, calls = generate()
    assert [item.failure for item in made] == [None] * 4
    for call in calls:
        gpu = call.closed["gpu"]
        assert (gpu["card"], gpu["seconds"]) == ("NVIDIA Fake 100", 2.0)
        assert gpu["energy_wh"] == pytest.approx(200 * 2 / 3600, rel=0.1)
        assert (gpu["peak_bytes"], gpu["utilization"]) == (6 * 2**30, 0.9)
        assert call.closed["cost_usd"] == 0.0  # nobody said what an hour costs
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("GPU NVIDIA Fake 100: ")
    assert "utilization 90 %, peak memory 6.0 of 24.0 GiB, at most 61 °C" in line
    assert "kWh per 1,000 images" in line


def test_without_a_card_and_without_a_price_the_journal_says_nothing_of_gpus(monkeypatch, tmp_path, generate):
    with_cards(monkeypatch, 0, tmp_path)
    _, calls = generate()
    assert ["gpu" in call.closed for call in calls] == [False] * 4


def test_an_image_costs_the_time_that_it_kept_the_card_busy(monkeypatch, tmp_path, generate):
    with_cards(monkeypatch, 0, tmp_path)  # the price is enough: an Apple GPU tells nothing
    _, calls = generate(prices=PRICES)
    assert [call.closed["cost_usd"] for call in calls] == [2.0] * 4
    assert {call.sent["worst_usd"] for call in calls} == {300.0}  # limits.timeout_s
    assert spent_in(tmp_path / "store" / "journal", "shop") == 8


def test_a_budget_holds_on_ones_own_card(monkeypatch, tmp_path, generate):
    with_cards(monkeypatch, 1, tmp_path)
    sections = {"limits": {"timeout_s": 3.0}, "budget_usd": {"run": 7.5}}
    made, calls = generate(n=6, prices=PRICES, **sections)
    left_out = [item for item in made if item.failure]
    assert {item.failure.reason for item in left_out} == {FailureReason.BUDGET}
    assert sum(call.closed["cost_usd"] for call in calls) <= 7.5
    assert len(calls) >= 2


def test_throttling_is_told_and_sent_and_a_power_limit_is_only_told(monkeypatch, tmp_path, generate, capsys):
    fake = with_cards(monkeypatch, 1, tmp_path)
    fake.CARDS[0].reasons = 0x04
    alerts = []
    generate(alert=alerts.append)
    assert "power limit" in capsys.readouterr().err
    assert alerts == []
    fake.CARDS[0].reasons = 0x20
    generate(n=6, alert=alerts.append)
    assert len(alerts) == 1
    assert alerts[0].startswith("NVIDIA Fake 100 (GPU-00000000-fake) was throttled: too hot for ")
    assert f"Warning: {alerts[0]}." in capsys.readouterr().err


def readings(*powers, energies=()):
    energies = energies or [None] * len(powers)
    return [Reading(power_w=power, energy_j=energy) for power, energy in zip(powers, energies, strict=True)]


def test_energy_is_that_of_the_counter_or_else_the_power_over_time():
    assert summary_of([0, 1, 3], readings(100, 200, 400, energies=[7200, 8000, 10_800])).energy_wh == 1.0
    assert summary_of([0, 1, 3], readings(100, 200, 400)).energy_wh == pytest.approx((150 + 600) / 3600)
    assert summary_of([0, 1, 3], readings(100, None, 400)).energy_wh is None
    assert summary_of([5], readings(100)).energy_wh == 0.0


def test_a_reading_that_is_just_being_added_is_left_for_the_next_time(monkeypatch, tmp_path):
    fake = with_cards(monkeypatch, 1, tmp_path)
    fake.CARDS[0].has_energy = False
    watch = GpuWatch(cards()[0], None)
    watch._look()
    watch._look()
    watch._readings.append(Reading(power_w=1e6))
    assert watch.since(0.0)["power_w"] == pytest.approx(200)
    assert watch.summary().energy_wh < 1


def test_what_a_card_does_not_tell_is_in_no_line():
    assert summary_of([0, 10], [Reading(), Reading()]).in_words("NVIDIA T4", 5) == "GPU NVIDIA T4: 10 s, 0.5 images/s"


def test_running_jobs_show_their_cards_and_ended_ones_do_not(monkeypatch, tmp_path):
    with_cards(monkeypatch, 2, tmp_path)
    first, second = cards()
    write_seen(tmp_path, first, first.read())
    monkeypatch.setattr(seen_gpus_module.time, "time", lambda: 1e9)
    write_seen(tmp_path, second, second.read())
    monkeypatch.undo()
    (seen,) = seen_gpus(tmp_path)
    assert (seen.uuid, seen.name, seen.reading.temperature_c) == (first.uuid, "NVIDIA Fake 100", 61)
    (tmp_path / "progress" / "gpu-damaged.json").write_text('{"at": "never"}')
    assert len(list(seen_gpus(tmp_path))) == 1
