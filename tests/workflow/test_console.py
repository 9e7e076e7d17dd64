"""What one sees while a run works: in a real terminal of 80 columns, and in a log."""

from __future__ import annotations

import re

from workflow.terminal import COLUMNS, in_terminal, on_screen


def test_a_run_in_a_terminal_is_a_few_lines_and_one_that_lives_and_ctrl_c_says_what_is_kept(project, server):
    server.change(latency_s=1.2)
    made = project(rows=16, limits={"in_flight": 4})
    status, written = in_terminal(made, interrupt_when=lambda _: server.totals().images >= 2)
    stay, live = on_screen(written)
    told = "\n".join(stay)
    assert status == 130
    assert re.search(r"Stopping: \d calls? in flight may land \(60 s; Ctrl-C again to stop at once\)", told)
    kept = len(made.raw_files())
    assert f"Stopped. The store has {kept} images of this run. To go on, run again:\n  snakemake --cores 2" in told
    assert not re.search(r"Exception|Traceback|[{}]|rule generate", told)
    assert made.journal("closed")
    assert len(made.journal("closed")) == len(made.journal("sent")), "all calls in flight landed"

    server.change(latency_s=0.3)
    status, written = in_terminal(made)
    stay, live = on_screen(written)
    assert status == 0
    assert len(made.images()) == 16
    assert len(stay) <= 12, stay
    assert stay[0] == "imagemake: test shop: 16 requests from config/catalog.csv"
    assert "imagemake: 16 of 16 images are in results/images/; see results/index.html" in stay
    assert re.search(r"  Cost \$0\.\d\d, \$0\.00\d\d per accepted image\.", "\n".join(stay))
    assert live
    assert max(map(len, live)) < COLUMNS
    assert all(re.match(r"\d+ of 16 done", line) for line in live)
    assert "localrule generate" in (made.folder / "logs/snakemake.log").read_text()
    assert list((made.folder / "work/progress").glob("generated-*.json"))


def test_a_log_gets_few_lines_a_dry_run_the_plan_only_and_verbose_brings_snakemakes_own_back(preview):
    made = preview(rows=4)
    plan = [
        "imagemake: test shop: 4 requests from config/catalog.csv",
        "        0 up to date",
        "        4 to generate: new",
        "  Cost: none.",
    ]
    dry = made.snakemake("-n")
    assert dry.stderr.splitlines() == plan
    assert dry.stdout == ""
    dry = made.snakemake("-n", "--verbose")
    assert "rule generate:" in dry.stdout
    done = made.snakemake()
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[:4] == plan
    assert "\x1b" not in done.stderr
    assert len(lines) <= 10, "a line every half minute at most"
    plain = made.snakemake("--config", "campaign=other", "--verbose")
    assert "localrule release:" in plain.stderr
    assert "imagemake: 4 of 4 images are in results/images/" in plain.stderr + plain.stdout
