"""Measures the commands that read a whole project, with many small images: seconds, CPU, and peak memory of each.

    PYTHONPATH=tests python bench/commands.py --images 10000 100000

The images are drawn once and filed under other names, with measures and journal, because drawing is not what is
measured. `snakemake` then releases them, and git keeps a release. They are published to a folder on the same disk.
`bench/versions.py` measures DVC.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from PIL import Image
from workflow.project import Project

from imagemake.config.campaign import load_campaign
from imagemake.core.garbage import collect_rarely
from imagemake.plan.inventory import Inventory
from imagemake.plan.requests.catalog import Catalog
from imagemake.plan.target import Target
from imagemake.store.items import Item, write_table
from imagemake.store.journal import Journal, Outcome
from imagemake.store.store import Store

VALUES = {
    "file": {"format": "png", "width_px": 96, "height_px": 96, "has_alpha": False, "frames": 1, "bytes": 500},
    "tone": {"contrast": 0.3, "uniform_share": 0.5, "entropy_bits": 3.1, "mean_luma": 224.4},
}
IN_JOB = 500
IGNORED = "/work/\n/logs/\n/.snakemake/\n/store/\n/bench.log\n/results/?*\n!/results/metrics.json\n"
PERSON = {f"GIT_{role}_{what}": "bench" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def main() -> None:
    """Measure, and print a table for each number of images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--folder", type=Path, help="where to make the projects, which then stay; default: temporary")
    options = parser.parse_args()
    collect_rarely()
    for n in options.images:
        with tempfile.TemporaryDirectory() as folder:
            make_project((options.folder or Path(folder)) / f"shop-{n}", n)
            measure(n)


def make_project(folder: Path, n: int) -> None:
    """Make a project with all of its images, of which 1 in 100 awaits review, and go to its folder."""
    project = Project(
        folder,
        rows=n,
        name="{sku}",
        prompt="Product photo of {product} number {sku}, {color}.",
        validation={
            "near_duplicates": False,
            "checks": {"tone.contrast": {"reject": {"min": 0.1}, "review": {"min": 0.2}}},
        },
        publish={"url": str(folder.with_name(f"{folder.name}-published"))},
    )
    os.chdir(folder)
    campaign, store = load_campaign(project.config), Store(Path("store"))
    target = Target(campaign, Catalog.open("config/catalog.csv"), "all", "")
    picture = BytesIO()
    Image.effect_mandelbrot((96, 96), (-2, -1.5, 1, 1.5), 100).convert("RGB").save(picture, "PNG")
    items: list[Item] = []
    measures = {one.identity: VALUES.get(one.name, {"nothing": 1}) for one in campaign.validation.measures_needed()}
    for number, request in enumerate(target.requests):
        key = request.recipe.key()
        raw = store.raw.put(key, picture.getvalue() + number.to_bytes(4), durable=False)
        contrast = 0.15 if number % 100 == 7 else 0.3
        own = {name: {**one, **({"contrast": contrast} if "contrast" in one else {})} for name, one in measures.items()}
        items.append(Item(request.name, 0, request.recipe, key, "new", raw=raw, measures=own))
    for start in range(0, n, IN_JOB):
        some, journal = items[start : start + IN_JOB], Journal(store.journal_folder, f"generate-{start}", durable=False)
        for item in some:
            facts = {"campaign": campaign.campaign, "name": item.name, "key": item.key, "attempt": 0, "tried": 1}
            call = journal.sent(**facts, recipe=item.recipe.as_dict(), worst_usd=0.04)
            digest = item.raw.digest if item.raw else None
            journal.closed(call, Outcome.MADE, key=item.key, cost_usd=0.04, seconds=8.0, digest=digest)
        write_table(Path(f"work/validated/generate-{start}.jsonl"), some)
    finished = BytesIO()
    Image.open(picture).save(finished, "JPEG")
    states = [state for state in target.states(Inventory(store, Path("work"))) if state.output_key]
    of_name = {item.name: item for item in items}
    for start in range(0, len(states), IN_JOB):
        done = []
        for number, state in enumerate(states[start : start + IN_JOB], start):
            data = finished.getvalue() + number.to_bytes(4)
            assert state.output_key
            kept = store.finished.put(state.output_key, data, durable=False, extension="jpg")
            done.append(replace(of_name[state.request.name], output_key=state.output_key, finished=kept))
        write_table(Path(f"work/postprocessed/generate-{start}.jsonl"), done)


def measure(n: int) -> None:
    """Run all commands, and print a line for each."""
    tool = [sys.executable, "-c", "from imagemake.cli.main import main; main()"]
    print(f"\n{n:,} images\n\n| command | s | s of CPU | peak MB |\n|---|---|---|---|", flush=True)
    timed("snakemake: the release", [sys.executable, "-m", "snakemake", "--cores", "2", "all"])
    run("git", "init", "-q")
    Path(".gitignore").write_text(IGNORED)
    run("git", "add", "-A")
    run("git", "commit", "-qm", "Begin")
    timed("release v1", [*tool, "release", "v1", "--allow-review"])
    timed("ledger --by day,model", [*tool, "ledger", "--by", "day,model"])
    timed("ledger --calls", [*tool, "ledger", "--calls", "--format", "csv"])
    timed("audit --format json", [*tool, "audit", "--format", "json"])
    timed("verify", [*tool, "verify"])
    timed("publish, first", [*tool, "publish", "--incomplete"])
    timed("publish, nothing changed", [*tool, "publish", "--incomplete"])
    timed("diff v1 results", [*tool, "diff", "v1", "results"])


def run(*command: str) -> None:
    """Run a command that is not measured."""
    subprocess.run(command, check=True, env={**os.environ, **PERSON}, stdout=subprocess.DEVNULL)


def timed(what: str, command: list[str]) -> None:
    """Run a command, and print what it took, with its children."""
    with Path("bench.log").open("w") as log:
        start = time.monotonic()
        process = subprocess.Popen(command, env={**os.environ, **PERSON}, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        took_s = time.monotonic() - start
    used_s = usage.ru_utime + usage.ru_stime
    print(f"| {what} | {took_s:.1f} | {used_s:.1f} | {usage.ru_maxrss / 1024:.0f} |", flush=True)
    if status:
        print(Path("bench.log").read_text()[-1500:], flush=True)


if __name__ == "__main__":
    main()
