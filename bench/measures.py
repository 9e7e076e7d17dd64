"""Measures groups of colors, and what each measure costs.

Prints tables of docs/reference/measures.md. For rates, see rates.py.

Run ``python bench/measures.py``, or name some tables: ``python bench/measures.py throughput`` reports images per second
and needs an otherwise idle machine. The first run downloads four wheels with photographs (34 MB) to work/bench.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

import cv2
import numpy as np
from labeled import (
    BLURRED,
    photographs,
    studio,
    things,
    tinted,
)
from PIL import Image, ImageOps
from pixels import as_provided, fresh, ms, reads_pixels

from imagemake.config.chosen_plugins import chosen_measure
from imagemake.config.job_settings import name_of
from imagemake.config.similarity import Consistency
from imagemake.core.recipe import Recipe
from imagemake.images.decoded import decode_image
from imagemake.plugins.measures import ALWAYS_READ, BUILT_IN, measure_class
from imagemake.plugins.providers import Connection
from imagemake.plugins.providers.preview import PreviewProvider
from imagemake.stages.validate.consistency import Colored, mean_color, odd_ones
from imagemake.stages.validate.job import load_measures, validate_batch
from imagemake.store.items import Item, read_table, write_table
from imagemake.store.store import Store

Values = Mapping[str, Any]
COLORS = ("red", "orange", "mustard", "green", "teal", "navy", "purple", "pink", "black", "beige")
PRODUCTS = ("mug", "bottle", "chair", "lamp", "book", "hat", "shoe", "clock")
SIDE_PX = 1024
WITH_WEIGHTS = [name for name in BUILT_IN if reads_pixels(name)]
DISTANCES = (5, 10)  # limits for odd colors in a group


@cache
def measure(name: str) -> Any:
    """Load a measure with its default settings, once."""
    cv2.setNumThreads(1)
    return measure_class(name)(measure_class(name).Settings())


def read(name: str, image: Image.Image) -> Values:
    """Read a measure from an image that was a JPEG of good quality."""
    values: Values = measure(name).read(decode_image(as_provided(image, "JPEG")))
    return values


def _of(answers: list[bool]) -> str:
    return f"{sum(answers)} of {len(answers)}" if answers else "not measured"


def print_consistency() -> None:
    """Print which odd images are found among eight of the same thing, and how many of the eight are blamed."""
    limits = " | ".join(f"`max_distance: {most:g}`: found | of the others, blamed" for most in DISTANCES)
    print(f"\n| odd one of nine images of a thing | {limits} |\n{'|---' * (1 + 2 * len(DISTANCES))}|")
    casts = {
        "a yellow cast: blue at 90 %": (1.0, 1.0, 0.9),
        "a yellow cast: blue at 80 %": (1.0, 1.0, 0.8),
        "a third of a stop darker (80 % of each level)": (0.8, 0.8, 0.8),
    }
    for title, factors in casts.items():
        _print_odd_ones(title, lambda thing, factors=factors: _cast(studio(thing), factors))  # type: ignore[misc]
    _print_odd_ones("the thing dyed teal", lambda thing: studio(tinted(thing, (0, 128, 128))))
    _print_odd_ones("#f5efe0 where the others are white", lambda thing: studio(thing, "#f5efe0"))


def print_groups() -> None:
    """Print how many good images are blamed in groups that vary as images of one thing do."""
    sharp = [image for name, image in photographs().items() if name not in BLURRED]
    groups = {
        "crops of a photograph: 60 to 90 % of each side, at random places": [_crops(image) for image in sharp],
        "exposures of a photograph: 80 to 120 % of each level": [_exposures(image, 0.2) for image in sharp],
        "exposures of a photograph: 93 to 107 % of each level": [_exposures(image, 0.07) for image in sharp],
        "preview renders of a product in one color, other seeds": [_renders(product, "red") for product in PRODUCTS],
        "preview renders of a product, eight colors": [_renders(product, None) for product in PRODUCTS],
    }
    limits = " | ".join(f"blamed at `max_distance: {most:g}`" for most in DISTANCES)
    print(f"\n| groups of eight good images | {limits} |\n{'|---' * (1 + len(DISTANCES))}|")
    for title, of_title in groups.items():
        images = [
            Colored(f"{number} {place}", (str(number),), mean_color(str(read("colors", image)["palette"])))
            for number, group in enumerate(of_title)
            for place, image in enumerate(group)
        ]
        blamed = [odd_ones(images, Consistency(by=("thing",), max_distance=most)) for most in DISTANCES]
        print(f"| {title} | {' | '.join(f'{len(found)} of {len(images)}' for found in blamed)} |")


def _crops(image: Image.Image) -> list[Image.Image]:
    random, crops = np.random.default_rng(6), []
    for _ in range(8):
        width, height = (round(side * random.uniform(0.6, 0.9)) for side in image.size)
        left, top = (int(random.integers(0, most + 1)) for most in (image.width - width, image.height - height))
        crops.append(image.crop((left, top, left + width, top + height)))
    return crops


def _exposures(image: Image.Image, spread: float) -> list[Image.Image]:
    random = np.random.default_rng(6)
    return [_cast(image, [1 + random.uniform(-spread, spread)] * 3) for _ in range(8)]


def _renders(product: str, color: str | None) -> list[Image.Image]:
    prompt = "Product photo of {} on a white background, {}."
    colors = [color] * 8 if color else COLORS[:8]
    recipes = [
        Recipe("preview", "preview-1", prompt.format(product, one), seed, {"size": "512x512"})
        for seed, one in enumerate(colors)
    ]
    return asyncio.run(drawn(recipes))


async def drawn(recipes: Sequence[Recipe]) -> list[Image.Image]:
    """Return what the preview provider draws."""
    provider = PreviewProvider(Connection(None, 60))
    answers = [await provider.generate(recipe) for recipe in recipes]
    return [Image.open(BytesIO(answer.image)).convert("RGB") for answer in answers]


def _cast(image: Image.Image, factors: Sequence[float]) -> Image.Image:
    table = [round(level * factor) for factor in factors for level in range(256)]
    return image.point(table)


def _print_odd_ones(title: str, odd: Callable[[Image.Image], Image.Image]) -> None:
    images = []
    for number, thing in enumerate(things()):
        shown = [*(studio(thing, left=0.36 + 0.04 * place) for place in range(8)), odd(thing)]
        for place, image in enumerate(shown):
            color = mean_color(str(read("colors", image)["palette"]))
            name = f"{'odd' if place == 8 else 'good'} {number} {place}"
            images.append(Colored(name, (str(number),), color))
    cells = []
    for most in DISTANCES:
        odd_names = set(odd_ones(images, Consistency(by=("thing",), max_distance=most)))
        for kind in ("odd", "good"):
            of_kind = [one.name in odd_names for one in images if one.name.startswith(kind)]
            cells += [_of(of_kind)]
    print(f"| {title} | {' | '.join(cells)} |")


def print_costs() -> None:
    """Print the time of each measure, compared with decoding."""
    files = [as_provided(ImageOps.fit(image, (SIDE_PX, SIDE_PX)), "PNG") for image in list(photographs().values())[::3]]
    images = [decode_image(data) for data in files]
    open_ms = median(ms(partial(decode_image, data)) for data in files)
    print(f"\nDecoding a PNG of {SIDE_PX} x {SIDE_PX} px takes {open_ms:.0f} ms.\n")
    print("| measure | ms per image, alone | share of decoding |\n|---|---|---|")
    for name in WITH_WEIGHTS:
        alone_ms = median(ms(lambda one=one, name=name: measure(name).read(fresh(one))) for one in images)  # type: ignore[misc]
        print(f"| `{name}` | {alone_ms:.1f} | {alone_ms / open_ms:.0%} |")


def print_throughput() -> None:
    """Print how many images per second two jobs validate, and compare their CPU time with the sum of its parts."""
    load = os.getloadavg()[0]
    print(f"\nTwo jobs at once, as Snakemake starts them; load before: {load:.1f} on {os.cpu_count()} cores.\n")
    heads = ("images a job", "images a second", "ms of processor per image", "sum of its parts, ms", "ratio")
    print(f"| measures | {' | '.join(heads)} |\n{'|---' * (1 + len(heads))}|")
    _print_throughput(list(ALWAYS_READ), "those that are always read", n_images=200)
    _print_throughput([*ALWAYS_READ, "nsfw", "faces"], "and `nsfw`, `faces`", n_images=60)
    _print_throughput(list(WITH_WEIGHTS), "all", n_images=20)


def _print_throughput(names: list[str], title: str, n_images: int) -> None:
    """Validate in two jobs, three times; the median of each figure is printed."""
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        tables = _write_tables(at, n_images)
        rounds = []
        for _ in range(3):
            starts = _run_jobs(at, tables["start"], names)  # one image each: imports and loading of networks
            whole = _run_jobs(at, tables["whole"], names)
            cpu_ms = 1000 * (whole.cpu_s - starts.cpu_s) / (2 * (n_images - 1))
            rounds.append((2 * n_images / whole.wall_s, cpu_ms, _parts_ms(at, names)))
    per_s, cpu_ms, parts_ms = (median(figures) for figures in zip(*rounds, strict=True))
    ratio = median(cpu / parts for _, cpu, parts in rounds)
    print(f"| {title} | {n_images} | {per_s:.1f} | {cpu_ms:.0f} | {parts_ms:.0f} | {ratio:.2f} |")


def _write_tables(folder: Path, n_images: int) -> Mapping[str, list[Path]]:
    """Put images into a store, and write tables for two jobs: full ones, and ones with one image."""
    files = [as_provided(ImageOps.fit(image, (SIDE_PX, SIDE_PX)), "PNG") for image in photographs().values()]
    store, items = Store(folder / "store"), []
    for number in range(2 * n_images):
        recipe = Recipe("preview", "preview-1", "a mug", number)
        stored = store.raw.put(recipe.key(), files[number // 2 % len(files)], durable=False)
        items.append(Item(str(number), 0, recipe, recipe.key(), "new", raw=stored))
    tables: dict[str, list[Path]] = {}
    for kind, n in (("whole", n_images), ("start", 1)):
        for job in (0, 1):
            path = folder / f"{kind}-{job}.jsonl"
            write_table(path, items[job::2][:n])
            tables.setdefault(kind, []).append(path)
    return tables


class Ran(NamedTuple):
    """The time of several jobs, from the start of the first to the end of the last."""

    wall_s: float
    cpu_s: float


def _run_jobs(folder: Path, tables: Sequence[Path], names: Sequence[str]) -> Ran:
    """Run the script of Snakemake's rule for each table, all at the same time."""
    text = json.dumps({"validation": {"measures": {name: {} for name in names}}}).encode()
    settings = folder / name_of(text)
    settings.write_bytes(text)
    root = Path(__file__).resolve().parents[1]
    start, jobs = time.perf_counter(), []
    for table in tables:
        command = [sys.executable, str(root / "scripts" / "validate.py"), "--settings", str(settings)]
        command += ["--images", str(table), "--measures", f"{table}.done", "--store", str(folder / "store")]
        jobs.append(subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(root / "src")}))
    cpu_s = 0.0
    for job in jobs:
        _, status, used = os.wait4(job.pid, 0)  # of the job and of its measuring process
        job.returncode = os.waitstatus_to_exitcode(status)
        assert job.returncode == 0
        cpu_s += used.ru_utime + used.ru_stime
    wall_s = time.perf_counter() - start
    done = [item for table in tables for item in read_table(Path(f"{table}.done"))]
    assert not any("failed" in values for item in done for values in item.measures.values())
    return Ran(wall_s, cpu_s)


def _parts_ms(folder: Path, names: list[str]) -> float:
    """Return the mean CPU time of each part of validation, in two processes at the same time, as jobs run."""
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        done = [processes.submit(_parts_of, folder, table, names) for table in folder.glob("whole-?.jsonl")]
        return 1000 * mean(one.result() for one in done)


def _parts_of(folder: Path, table: Path, names: Sequence[str]) -> float:
    """Return the seconds of reading, of decoding, and of each measure by itself on an image without cached views."""
    store, measures = Store(folder / "store"), load_measures(chosen_measure(name) for name in names)
    items = read_table(table)[: len(photographs())]
    validate_batch(items[:1], measures, store)  # imports, and networks that are made ready
    cpu_s = time.process_time()
    for item in items:
        assert item.raw is not None
        image = decode_image(store.raw.read(item.raw))
        for one in measures.values():
            one.read(fresh(image))
    return (time.process_time() - cpu_s) / len(items)


PARTS = ("consistency", "groups", "costs", "throughput")


def main() -> None:
    """Print the requested tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="tables to print; default: all")
    for part in parser.parse_args().parts or PARTS:
        globals()[f"print_{part}"]()


if __name__ == "__main__":
    main()
