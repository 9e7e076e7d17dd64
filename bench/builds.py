"""Measures whole builds of 10,000 small images. `bench/compare.py` measures builds of large ones against scripts.

Run from the repository: `.venv/bin/python bench/builds.py`. It makes a project in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from workflow.project import Project  # noqa: E402


def measured(project: Project, *arguments: str) -> tuple[float, float, float]:
    """Run Snakemake; return wall seconds, CPU seconds of it and its jobs, and the peak memory of one process in MB."""
    log = project.folder / "bench.log"
    start = time.monotonic()
    with log.open("w") as out:
        process = subprocess.Popen(
            project.command(*arguments), cwd=project.folder, env=project.environment(), stdout=out, stderr=out
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - start
    if status:
        sys.exit(log.read_text()[-3000:])
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def version_s() -> float:
    """Return how long Snakemake takes to print its version, in seconds: its startup time."""
    command = [sys.executable, "-m", "snakemake", "--version"]
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - start


def stages(project: Project) -> None:
    """Print the time between the start and the end of each stage's jobs, from Snakemake's own metadata."""
    import json

    seconds: Counter[str] = Counter()
    n_jobs: Counter[str] = Counter()
    for path in (project.folder / ".snakemake" / "metadata").iterdir():
        record = json.loads(path.read_bytes())
        if record.get("rule") in ("generate", "validate", "postprocess", "next_round", "release"):
            seconds[record["rule"]] += record["endtime"] - record["starttime"]
            n_jobs[record["rule"]] += 1
    n = len(project.rows)
    outputs = {"release": 5}  # of one job; other jobs have one each
    for rule, times_s in seconds.items():
        jobs, total_s = n_jobs[rule] // outputs.get(rule, 1), times_s / outputs.get(rule, 1)
        print(f"  {rule:12} {jobs:4} jobs, {total_s:7.1f} s, {1000 * total_s / n:6.1f} ms per image")


def many(n: int) -> None:
    """Build many small images, then nothing, then one edited row."""
    with tempfile.TemporaryDirectory() as root:
        project = Project(
            Path(root) / "project",
            rows=n,
            name="{sku}",
            prompt="Product photo of {product} number {sku}, {color}.",
            model={"provider": "preview", "name": "preview-1", "parameters": {"size": "64x64"}},
            postprocess={"output": {"format": "jpeg"}},
            validation={"near_duplicates": False},
        )
        own_s = min(version_s() for _ in range(3))
        print(f"snakemake --version          {own_s:7.2f} s")
        for name in ("first run", "nothing to do"):
            wall_s, cpu_s, peak_mb = measured(project)
            each = f", {1000 * wall_s / n:.1f} ms per image" if name == "first run" else f", {wall_s / own_s:.2f} times"
            print(f"{name:28} {wall_s:7.2f} s wall, {cpu_s:.1f} s CPU, {peak_mb:.0f} MB{each}")
            if name == "first run":
                stages(project)
        project.edit_row(n // 2, product="teapot")
        wall_s, cpu_s, peak_mb = measured(project)
        print(f"one row edited               {wall_s:7.2f} s wall, {cpu_s:.1f} s CPU, {peak_mb:.0f} MB")


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000, help="default: 10,000")
    many(parser.parse_args().images)


if __name__ == "__main__":
    main()
