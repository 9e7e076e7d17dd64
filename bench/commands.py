"""Measures the commands that read a whole project, with many small images: seconds, CPU, and peak memory of each.

    PYTHONPATH=tests python bench/commands.py --images 10000 100000

The images are drawn once and filed under other names, with measures and journal, because drawing is not what is
measured. `snakemake` then releases them, and git keeps a release. They are published to a folder on the same disk.
With `--dvc`, DVC tracks a second release and sends it to a folder on the same disk. `bench/review.py` measures each
page of `imagemake review`.
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

import yaml
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
COMMANDS = (  # after the first release
    "ledger --by day,model",
    "ledger --calls --format csv",
    "audit --format json",
    "verify",
    "publish --incomplete",
    "publish --incomplete",
    "diff v1 results",
    "inspect S007",
    "inspect results/images/S008.jpg",
    "doctor",
    "models",
    "release v2 --dry-run --allow-review",
    "batches --all --offline",
    "queue --offline",
    "reproduce S009",
    "share --dry-run --config config/more.yaml",
    "questions --config config/more.yaml",
    "questions --config config/more.yaml --write",
)
QUESTIONS = "Does the image show what the prompt names?", "Is the color right?", "Is the background plain?"
IGNORED = "/work/\n/logs/\n/.snakemake/\n/store/\n/bench.log\n/results/?*\n!/results/metrics.json\n"
PERSON = {f"GIT_{role}_{what}": "bench" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def main() -> None:
    """Measure, and print a table for each number of images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--folder", type=Path, help="where to make the projects, which then stay; default: temporary")
    parser.add_argument("--dvc", action="store_true", help="measure DVC too")
    parser.add_argument("--make", action="store_true", help="only make the projects")
    options = parser.parse_args()
    for n in options.images:
        with tempfile.TemporaryDirectory() as made:
            folder = options.folder or Path(made)
            if options.make:
                collect_rarely()
                make_project(folder / f"shop-{n}", n)
                continue
            if not (folder / f"shop-{n}").exists():  # in a process of its own: a child begins with its parent's memory
                run(sys.executable, __file__, "--make", "--images", str(n), "--folder", str(folder.resolve()))
            os.chdir(folder / f"shop-{n}")
            measure(n)
            if options.dvc:
                measure_dvc()


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
    timed("snakemake: nothing to do", [sys.executable, "-m", "snakemake", "--cores", "2", "all"])
    run("git", "init", "-q")
    Path(".gitignore").write_text(IGNORED)
    run("git", "add", "-A")
    run("git", "commit", "-qm", "Begin")
    timed("release v1", [*tool, "release", "v1", "--allow-review"])
    ask_and_share()
    for command in COMMANDS:
        timed(command, [*tool, *command.split()])


def ask_and_share() -> None:
    """Write a configuration with a judge and a team store, and three edited questions about each prompt."""
    config = yaml.safe_load(Path("config/config.yaml").read_text())
    judge = {"model": "qwen3-vl:8b", "base_url": "http://127.0.0.1:9", "identity": "bench", "questions": ["auto"]}
    config["validation"] = {**config["validation"], "measures": {"judge": judge}}
    team = Path.cwd().with_name(f"{Path.cwd().name}-team")
    team.mkdir()
    config["store"] = {"remote": str(team)}
    Path("config/more.yaml").write_text(yaml.safe_dump(config))
    campaign = load_campaign(config)
    requests = Target(campaign, Catalog.open(campaign.catalog), "all", "").requests
    lines = [f'"{one.recipe.prompt}",{question}' for one in requests for question in QUESTIONS]
    Path("config/questions.csv").write_text("\n".join(["prompt,question", *lines, ""]))


def measure_dvc() -> None:
    """Let DVC keep a second release, send both, and return to the first one."""
    tool = [sys.executable, "-c", "from imagemake.cli.main import main; main()"]
    dvc = [sys.executable, "-m", "dvc"]
    run(*dvc, "init", "-q")
    run(*dvc, "config", "cache.type", "hardlink,copy")
    run(*dvc, "remote", "add", "-q", "--default", "team", str(Path.cwd().with_name(f"{Path.cwd().name}-remote")))
    run("git", "add", "-A")
    run("git", "commit", "-qm", "Begin with DVC")
    timed("track, first", [*tool, "track"])
    timed("track, nothing changed", [*tool, "track"])
    timed("release v2, with DVC", [*tool, "release", "v2", "--allow-review"])
    timed("dvc push, first", [*dvc, "push", "-q"])
    timed("dvc push, nothing changed", [*dvc, "push", "-q"])
    catalog = Path("config/catalog.csv")
    catalog.write_text(catalog.read_text().replace(",red", ",teal", 1))
    timed("snakemake: one row edited", [sys.executable, "-m", "snakemake", "--cores", "2", "all"])
    run("git", "commit", "-qam", "Teal")
    timed("release v3, one image changed", [*tool, "release", "v3", "--allow-review"])
    timed("dvc push, one image changed", [*dvc, "push", "-q"])
    timed("diff v2 v3", [*tool, "diff", "v2", "v3"])
    timed("verify, three releases", [*tool, "verify"])
    run("git", "checkout", "-q", "v2")
    timed("dvc checkout of v2", [*dvc, "checkout", "-q"])


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
