"""Measures whole builds: against a hand-written script, and with 10,000 images.

Run from the repository: `.venv/bin/python bench/builds.py --help`. Each part makes projects in a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from fake_openai import FakeOpenAI, Settings  # noqa: E402
from workflow.project import Project  # noqa: E402

LARGE = {"size": "1024x1024", "quality": "low"}


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


async def download(base_url: str, n: int, in_flight: int, folder: Path) -> None:
    """Generate images with a simple script: the same SDK, a semaphore, and one file per image."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key="sk-stand-in", base_url=base_url)
    gate = asyncio.Semaphore(in_flight)

    async def one(number: int) -> None:
        async with gate:
            answer = await client.images.generate(
                model="gpt-image-2", prompt=f"Image {number}", size="1024x1024", quality="low"
            )
            (folder / f"{number}.png").write_bytes(base64.b64decode(answer.data[0].b64_json))

    await asyncio.gather(*(one(number) for number in range(n)))


def against_script(n: int, in_flight: int, batch_size: int) -> None:
    """Compare a whole build with a script that only downloads the same number of images."""
    settings = Settings(latency_s=1.0, prepare=("1024x1024:png",))
    with FakeOpenAI(settings) as server, tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "script"
        folder.mkdir()
        start = time.monotonic()
        asyncio.run(download(server.base_url, n, in_flight, folder))
        script_s = time.monotonic() - start
        print(f"script, downloads only       {script_s:7.1f} s wall, {server.totals().most_in_flight} in flight")
        server.reset()
        project = Project(
            Path(root) / "project",
            server,
            rows=n,
            batch_size=batch_size,
            model={"parameters": LARGE},
            models={},
            limits={"in_flight": in_flight},
            postprocess={"steps": [{"resize": {"width_px": 800, "height_px": 800}}], "output": {"format": "jpeg"}},
        )
        wall_s, cpu_s, _ = measured(project)
        totals = server.totals()
        arrivals = [call.arrived_s for call in server.calls()]
        accepted = project.metrics()["accepted"]
        print(f"snakemake, the whole build   {wall_s:7.1f} s wall ({wall_s / script_s:.2f} times), {cpu_s:.0f} s CPU")
        print(f"  most in flight {totals.most_in_flight}, calls {len(arrivals)}, accepted {accepted}")
        print(f"  from the first call to the last: {arrivals[-1] - arrivals[0]:.1f} s")
        stages(project)


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


def ten_thousand(n: int) -> None:
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
    """Run the given parts, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", choices=["script", "many", []], help="default: all")
    parser.add_argument("--images", type=int, help="default: 1000 for script, 10000 for many")
    parser.add_argument("--in-flight", type=int, default=50, help="calls in flight, for script; default: 50")
    parser.add_argument("--batch-size", type=int, default=100, help="images per job, for script; default: 100")
    options = parser.parse_args()
    parts = options.part or ["script", "many"]
    if "script" in parts:
        against_script(options.images or 1000, options.in_flight, options.batch_size)
    if "many" in parts:
        ten_thousand(options.images or 10_000)


if __name__ == "__main__":
    main()
