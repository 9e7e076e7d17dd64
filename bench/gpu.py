"""Measures models that run in the job against a plain loop of diffusers, on the same card or CPU.

Run from the repository, in an environment with `imagemake[diffusers]`: `python bench/gpu.py --help`. Without a pipeline
of yours, it makes one with random weights, which takes as long as a real one of its size: no download. On a busy CPU,
set OMP_NUM_THREADS=1: threads that wait for each other measure the other programs.

  rates    images per second and peak memory of a job beside a plain loop, at each batch size; which images differ
           between a batch and alone
  memory   memory that runs out on purpose: what the job tries, and that every image is made
  build    a whole build beside a plain script, both at the same time on one core each; CPU only
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "src")]

from tiny_pipelines import random_pipeline  # noqa: E402

from imagemake.config.job_settings import JobSettings  # noqa: E402
from imagemake.core.recipe import Recipe  # noqa: E402
from imagemake.plugins.providers.diffusers.provider import DiffusersProvider  # noqa: E402
from imagemake.stages.generate.job import generate_for_job  # noqa: E402
from imagemake.store.items import Item  # noqa: E402
from imagemake.store.journal import Outcome, read_calls  # noqa: E402

PLAIN = """
import sys, time, torch
from pathlib import Path
from diffusers import DiffusionPipeline
folder, out, n, batch, size, steps = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:7])
pipe = DiffusionPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
pipe.set_progress_bar_config(disable=True)
for first in range(0, n, batch):
    seeds = range(first, min(n, first + batch))
    made = pipe(prompt=[f"a mug, number {seed}" for seed in seeds], height=size, width=size, num_inference_steps=steps,
                generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds])
    for seed, image in zip(seeds, made.images):
        image.save(out / f"{seed}.png", compress_level=1)
"""

MEASURE = """
import json, resource, subprocess, sys, time
start = time.monotonic()
status = subprocess.run(sys.argv[2:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
figures = [time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, status]
json.dump(figures, open(sys.argv[1], "w"))
"""


def recipes(options: argparse.Namespace, n: int) -> list[Recipe]:
    """Return recipes that differ in prompt and seed only."""
    parameters = {
        "size": f"{options.size}x{options.size}",
        "num_inference_steps": options.steps,
        "dtype": options.dtype,
    }
    files = DiffusersProvider.model_files("bench", {"pipeline": str(options.pipeline)}, parameters)
    prompts = (f"a mug, number {seed}" for seed in range(n))
    return [
        Recipe("diffusers", "bench", text, seed, parameters, model_files=files) for seed, text in enumerate(prompts)
    ]


@contextmanager
def own_folder() -> Iterator[Path]:
    """Work in a new folder, so that nothing is remembered."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        yield Path(folder)


def by_job(options: argparse.Namespace, n: int, batch: int) -> tuple[float, dict[str, str], list[Any]]:
    """Make images as a job of a build does, and return the seconds, the images' digests, and the journal's calls."""
    local = {"batch": batch, **({"device": options.device} if options.device else {})}
    model = {"provider": "diffusers", "name": "bench", "files": {"pipeline": str(options.pipeline)}, "local": local}
    items = [Item(str(recipe.seed), 0, recipe, recipe.key(), "new") for recipe in recipes(options, n)]
    start = time.monotonic()
    made = generate_for_job(
        items, JobSettings({"model": model}), job="j", calls=0, store=Path("store"), work=Path("work")
    )
    seconds = time.monotonic() - start
    calls = list(read_calls(Path("store/journal")))
    return seconds, {item.name: item.raw.digest for item in made if item.raw}, calls


def by_loop(pipe: Any, options: argparse.Namespace, n: int, batch: int) -> float:
    """Make images in a plain loop, encode them, and return the seconds."""
    import torch

    start = time.monotonic()
    for first in range(0, n, batch):
        seeds = range(first, min(n, first + batch))
        made = pipe(
            prompt=[f"a mug, number {seed}" for seed in seeds],
            height=options.size,
            width=options.size,
            num_inference_steps=options.steps,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
        )
        for image in made.images:
            image.save(BytesIO(), "PNG", compress_level=1)
    return time.monotonic() - start


def measure_rates(options: argparse.Namespace) -> None:
    """Compare rates and peaks of memory, and count the images that are other bytes in a batch than alone."""
    import torch
    from diffusers import DiffusionPipeline

    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    on_card = device.startswith("cuda")
    card = torch.cuda.get_device_name(device) if on_card else "CPU"
    print(f"{card}, torch {torch.__version__}, {options.dtype}, {options.size} px, {options.steps} steps")
    print("| batch | loop, images/s | job, images/s | job : loop | loop, peak GiB | job, peak GiB | other than alone |")
    print("|---|---|---|---|---|---|---|")
    alone: dict[str, str] = {}
    for batch in options.batches:
        n = max(options.images // max(options.batches) * max(options.batches), 2 * batch)
        dtype = getattr(torch, options.dtype)
        pipe = DiffusionPipeline.from_pretrained(options.pipeline, dtype=dtype, local_files_only=True).to(device)
        pipe.set_progress_bar_config(disable=True)
        by_loop(pipe, options, batch, batch)  # the first call compiles and reserves
        loop_peak, loop_s = _peak(on_card, partial(by_loop, pipe, options, n, batch))
        pipe = None  # frees the card
        with own_folder():
            job_peak, (_, digests, calls) = _peak(on_card, partial(by_job, options, n, batch))
        alone = alone or digests
        # From the end of the first batch, which includes loading, to the end of the last one.
        ends = sorted(call.closed["at"] for call in calls)
        job_s = _seconds_between(ends[batch - 1], ends[-1]) * n / (n - batch)
        others = sum(digests[name] != alone[name] for name in digests if name in alone)
        rates = n / loop_s, n / job_s
        print(
            f"| {batch} | {rates[0]:.2f} | {rates[1]:.2f} | {rates[1] / rates[0]:.2f} | {loop_peak:.2f} "
            f"| {job_peak:.2f} | {others} of {len(digests)} |",
            flush=True,
        )


def measure_memory(options: argparse.Namespace) -> None:
    """Let memory run out: on a card by a limit for this process, on the CPU by an error for more than two images."""
    import torch

    from imagemake.plugins.providers.diffusers.pipeline import Pipeline

    if torch.cuda.is_available() and options.device != "cpu":
        from diffusers import DiffusionPipeline

        dtype = getattr(torch, options.dtype)
        pipe = DiffusionPipeline.from_pretrained(options.pipeline, dtype=dtype, local_files_only=True).to("cuda")
        peak, _ = _peak(True, lambda: by_loop(pipe, options, 2, 2))
        del pipe
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(peak * 2**30 / torch.cuda.get_device_properties(0).total_memory)
        print(f"only {peak:.1f} GiB allowed: what two images at once take")
    else:
        whole: Callable[..., Any] = Pipeline.make

        def tight(self: Pipeline, orders: Any, *others: Any) -> Any:
            if len(orders) > 2:
                raise torch.OutOfMemoryError("on purpose")
            return whole(self, orders, *others)

        Pipeline.make = tight  # type: ignore[method-assign]
    with own_folder():
        _, digests, calls = by_job(options, options.images, 8)
        again = Path("work/local-models.json").read_text()
    sizes = [(call.closed["usage"].get("batch"), call.closed["usage"].get("offload")) for call in calls if call.closed]
    print(f"{len(digests)} of {options.images} images made; batches and offload: {sorted(set(sizes), key=str)}")
    print(f"remembered: {again}")


def measure_build(options: argparse.Namespace) -> None:
    """Build and run a plain script at the same time, one core each, and compare seconds, CPU, and memory."""
    n, batch = options.images, options.batches[0]
    with own_folder() as folder:
        project = folder / "project"
        (project / "config").mkdir(parents=True)
        parameters = {"size": f"{options.size}x{options.size}", "num_inference_steps": options.steps}
        local = {"batch": batch, "device": "cpu"}
        model = {"provider": "diffusers", "name": "bench", "files": {"pipeline": str(options.pipeline)}, "local": local}
        config = {
            "campaign": "bench",
            "catalog": "config/catalog.csv",
            "prompt": "a mug, number {sku}",
            "name": "{sku}",
            "model": {**model, "parameters": parameters},
            "batch_size": n,
            "validation": {"near_duplicates": False},
        }
        (project / "config" / "config.yaml").write_text(json.dumps(config))
        (project / "config" / "catalog.csv").write_text("sku\n" + "".join(f"{seed}\n" for seed in range(n)))
        (folder / "out").mkdir()
        one_core = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY / "src")}
        snakemake = [sys.executable, "-m", "snakemake", "-s", str(REPOSITORY / "Snakefile"), "-d", str(project)]
        snakemake += ["--cores", "1", "--until", "generate", "--workflow-profile", str(REPOSITORY / "profiles/default")]
        plain = [sys.executable, "-c", PLAIN, str(options.pipeline), str(folder / "out")]
        plain += [str(one) for one in (n, batch, options.size, options.steps)]
        took = _together({"plain script": plain, "build": snakemake}, one_core)
        calls = list(read_calls(project / "store" / "journal"))
        made = {call.sent["key"] for call in calls if call.outcome is Outcome.MADE}
    print(f"{n} images, batch {batch}; made {len(made)} by {len(calls)} calls")
    for name, (wall_s, cpu_s, peak_mib) in took.items():
        print(f"  {name}: {wall_s:.1f} s, {n / wall_s:.2f} images/s, {cpu_s:.1f} s of CPU, peak {peak_mib:.0f} MiB")
    ratio = took["plain script"][0] / took["build"][0]
    print(f"  the build has {ratio:.3f} of the script's rate, {took['plain script'][1] / took['build'][1]:.3f} by CPU")


def _together(commands: Mapping[str, list[str]], environment: Mapping[str, str]) -> dict[str, tuple[float, ...]]:
    """Run commands at the same time; return seconds, seconds of CPU, and the peak of memory in MiB of each."""
    running = {
        name: subprocess.Popen([sys.executable, "-c", MEASURE, f"{name}.json", *command], env=dict(environment))
        for name, command in commands.items()
    }
    found = {}
    for name, process in running.items():
        process.wait()
        *figures, status = json.loads(Path(f"{name}.json").read_text())
        assert status == 0, f"{name} ended with {status}"
        found[name] = tuple(figures)
    return found


def _peak(on_card: bool, work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the peak of memory in GiB while something runs, on the card or of this process, and what it returned."""
    if not on_card:
        done = work()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, done
    import torch

    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    done = work()
    return torch.cuda.max_memory_allocated() / 2**30, done


def _seconds_between(first: str, last: str) -> float:
    from datetime import datetime

    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def main() -> None:
    """Run one part, or rates and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("rates", "memory", "build"), help="default: rates, then memory")
    parser.add_argument("--pipeline", type=Path, help="folder of a pipeline; default: one with random weights")
    parser.add_argument("--like", choices=("tiny", "sd15"), default="tiny", help="size of that one; default: tiny")
    parser.add_argument("--device", help="such as cuda:1 or cpu; default: the best one")
    parser.add_argument("--dtype", default="float32", help="default: float32")
    parser.add_argument("--images", type=int, default=32, help="images per measurement; default: 32")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="default: 1 2 4 8 16")
    parser.add_argument("--size", type=int, default=64, help="edge in pixels; default: 64")
    parser.add_argument("--steps", type=int, default=4, help="default: 4")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        options.pipeline = (
            options.pipeline or random_pipeline(Path(folder) / "pipeline", like=options.like)
        ).absolute()
        parts = {"rates": measure_rates, "memory": measure_memory, "build": measure_build}
        for part in [options.part] if options.part else ["rates", "memory"]:
            parts[part](options)


if __name__ == "__main__":
    main()
