"""Pilot, small batch, full run: each reuses what was made; a gate keeps the next from paying for the same fault."""

from __future__ import annotations

from fake_openai import Rule


def test_stages_reuse_what_was_made_and_end_with_a_forecast(project, server):
    made = project(rows=12, pilot={"size": 3}, small={"size": 6})
    told = made.snakemake("pilot").stderr
    assert made.calls() == 3
    assert "Full run: 9 more images, about $" in told
    assert made.metrics("results/pilot")["forecast"]["to_make"] == 9
    made.snakemake("small")
    assert made.calls() == 6
    assert set(made.images("results/pilot/images")) < set(made.images("results/small/images"))
    made.snakemake()
    assert made.calls() == 12
    assert "forecast" not in made.metrics()


def test_a_gate_stops_the_full_run_before_it_pays_and_opens_when_the_pilot_is_good(project, server):
    server.change(rules=[Rule(prompt="mug", behavior="blank").model_dump()])
    made = project(
        rows=12,
        pilot={"size": 12},
        attempts={"max": 1},
        gates={"pilot": {"success_rate": {"min": 0.95}}},
        variables={"angle": ["front", "side"]},
        name="{sku}_{angle}",
        prompt="{product}, {color}, {angle}",
    )
    for arguments in (("-n",), ()):
        done = made.snakemake(*arguments, expect=2)
        assert "gates.pilot: 12 of the 12 images of the pilot do not exist yet." in done.stderr + done.stdout
    assert made.calls() == 0
    made.snakemake("pilot", expect=1)
    done = made.snakemake(expect=2)
    assert "success_rate of the pilot is 0." in done.stderr + done.stdout
    assert "but must be at least 0.95" in done.stderr + done.stdout
    assert made.calls() == 12, "a failed gate costs nothing"
    server.change(rules=[])
    made.write_config(prompt="{product}, {color}, {angle}, studio light")
    made.snakemake("pilot")
    made.snakemake()
    assert made.calls() == 36
    assert len(made.images()) == 24


def test_a_gate_is_not_asked_where_nothing_is_to_be_generated(built):
    made = built
    made.write_config(pilot={"size": 2}, gates={"pilot": {"success_rate": {"min": 1}, "accepted": {"min": 99}}})
    made.edit_row(0, sku="S999")
    assert made.snakemake("-n", expect=2).returncode == 2, "another name has another seed: an image to make"
    made.edit_row(0, sku="S000")
    made.write_config(postprocess={"output": {"format": "png"}})
    made.snakemake()
    assert made.calls() == 4
