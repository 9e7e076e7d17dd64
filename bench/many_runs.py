"""Several runs at once on one store want overlapping images: is each key paid once?

By default, 8 processes make 1,250 requests each, 10,000 in all, for 4,000 keys: each as `generate` does for one batch,
on one `store/`. With ``--bucket``, each has a folder of its own, and they share a store in a bucket, of rclone. Its
exit status is 1 if a key is paid twice or an image is missing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "src"), str(REPOSITORY / "tests")]

from fake_openai import FakeOpenAI, Settings  # noqa: E402
from s3_server import an_s3_server  # noqa: E402

from imagemake.config.job_settings import JobSettings  # noqa: E402
from imagemake.core.recipe import Recipe  # noqa: E402
from imagemake.stages.generate.job import generate_for_job  # noqa: E402
from imagemake.store.items import Item  # noqa: E402
from imagemake.workflow.job_store import store_for_job  # noqa: E402

LATENCY_S = 0.2
IN_FLIGHT = 4


def run(number: int, wanted: list[int], given: dict[str, Any], root: Path) -> None:
    """Generate as a job of one run does."""
    parameters = {"size": "64x64", "quality": "low"}
    recipes = [Recipe("openai", "gpt-image-2", f"p{n}", 0, parameters, endpoint="stand-in") for n in wanted]
    items = [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]
    settings, work = JobSettings(given), root / f"run-{number}"
    store = work / "store" if settings.store.whole else root / "store"
    start, name = time.monotonic(), f"run-{number}"
    with store_for_job(settings.store, store, work, name, items):
        made = generate_for_job(items, settings, job=name, calls=IN_FLIGHT, store=store, work=work)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        f"  run {number}: {sum(item.raw is not None for item in made)} of {len(items)} images, "
        f"{time.monotonic() - start:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of CPU",
        flush=True,
    )
    sys.exit(any(item.raw is None for item in made))


def wanted_by(runs: int, requests: int, keys: int) -> list[list[int]]:
    """Return the keys that each run wants, at random."""
    draw = random.Random(1)
    each = [draw.sample(range(keys), requests // runs) for _ in range(runs)]
    for wanted in each[::2]:  # half of the runs want the same at the same time
        wanted.sort()
    return each


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=8, help="processes; default: 8")
    parser.add_argument("--requests", type=int, default=10_000, help="requests of all runs; default: 10,000")
    parser.add_argument("--keys", type=int, default=4_000, help="different images; default: 4,000")
    parser.add_argument("--bucket", action="store_true", help="share a store in a bucket")
    options = parser.parse_args()
    os.environ["OPENAI_API_KEY"] = "sk-stand-in"
    each = wanted_by(options.runs, options.requests, options.keys)
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(FakeOpenAI(Settings(any_size=True, latency_s=LATENCY_S)))
        model = {"provider": "openai", "name": "gpt-image-2", "base_url": server.base_url, "identity": "stand-in"}
        given: dict[str, Any] = {"campaign": "many", "model": {**model, "key_from": "OPENAI_API_KEY"}}
        if options.bucket:
            os.environ.update(stack.enter_context(an_s3_server(root / "s3", "ours")).environment())
            given["store"] = {"remote": "s3://ours/store", "share": "everything"}
        start = time.monotonic()
        context = multiprocessing.get_context("spawn")
        runs = [context.Process(target=run, args=(n, wanted, given, root)) for n, wanted in enumerate(each)]
        for one in runs:
            one.start()
        for one in runs:
            one.join()
        billed = server.totals().billed_by_prompt
        distinct = len({n for wanted in each for n in wanted})
        twice = sum(times - 1 for times in billed.values())
        print(
            f"{options.runs} runs, {options.requests:,} requests, {distinct:,} keys: {time.monotonic() - start:.1f} s; "
            f"{len(billed):,} keys paid, {twice} paid twice"
        )
        sys.exit(any(one.exitcode for one in runs) or twice > 0 or len(billed) != distinct)


if __name__ == "__main__":
    main()
