"""Measures what each measure finds, misses, and costs on a small labeled set; prints the tables of docs/measures.md.

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
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    ABSENT,
    BLURRED,
    COUNTED,
    FACES,
    LETTERED,
    OBJECTS,
    STUDIO_PX,
    THINGS,
    UNLETTERED,
    blurred,
    grainy,
    lettered,
    paler,
    photographs,
    several,
    soft_around,
    studio,
    things,
    tinted,
)
from PIL import Image, ImageOps
from pixels import as_provided, fresh, ms

from imagemake.config.chosen_plugins import chosen_measure
from imagemake.config.job_settings import name_of
from imagemake.config.similarity import Consistency
from imagemake.core.recipe import Recipe
from imagemake.images.color_words import named_colors
from imagemake.images.decoded import decode_image
from imagemake.images.object_words import counted, things_in
from imagemake.plugins.measures import ALWAYS_READ, BUILT_IN, measure_class
from imagemake.plugins.measures.background import Background
from imagemake.plugins.measures.colors import Colors
from imagemake.plugins.measures.objects import Objects
from imagemake.plugins.measures.text import Text
from imagemake.plugins.providers.preview import PreviewProvider
from imagemake.stages.validate.consistency import Colored, mean_color, odd_ones
from imagemake.stages.validate.job import load_measures, validate_batch
from imagemake.store.items import Item, read_table, write_table
from imagemake.store.store import Store

Values = Mapping[str, Any]
COLORS = ("red", "orange", "mustard", "green", "teal", "navy", "purple", "pink", "black", "beige")
PRODUCTS = ("mug", "bottle", "chair", "lamp", "book", "hat", "shoe", "clock")
SIDE_PX = 1024
WITH_WEIGHTS = [name for name in BUILT_IN if name != "prompt"]  # no package ships its weights
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


Images = Iterable[Image.Image]


def row(name: str, defect: str, bad: Images, good: Images, is_bad: Callable[[Values], bool]) -> None:
    """Print how many defects are found and missed, and how many good images are blamed."""
    found = [is_bad(read(name, image)) for image in bad]
    blamed = [is_bad(read(name, image)) for image in good]
    print(f"| `{name}` | {defect} | {_of(found)} | {_of(blamed)} |")


def _of(answers: list[bool]) -> str:
    return f"{sum(answers)} of {len(answers)}" if answers else "not measured"


def print_findings() -> None:
    """Print the table of defects found and missed, and of good images blamed."""
    photos = photographs()
    sharp = [image for name, image in photos.items() if name not in BLURRED]
    plain = [image for name, image in photos.items() if name in UNLETTERED]
    on_white = [studio(thing) for thing in things()]
    print("| measure | defect, and the limit | found | good images blamed |\n|---|---|---|---|")
    row("tone", "blank, one color: `uniform_share` above 98 %", _blank(), sharp, lambda v: v["uniform_share"] > 0.98)
    _print_blurs(photos)
    for levels in (8, 16):
        grain = f"grain of {levels} levels: `deviation_levels` above 5"
        row("noise", grain, (grainy(i, levels) for i in sharp), sharp, lambda v: v.get("deviation_levels", 0) > 5)
    _print_backgrounds(on_white, sharp)
    _print_colors()
    for share in (0.03, 0.06, 0.12):
        words = (lettered(image, word, share) for image in plain for word in ("SALE 50", "Brqhtly"))
        text = f"a word nobody asked for, {share:.0%} of the height: `unwanted_regions` above 0"
        row("text", text, words, plain, _has_unwanted_text)
    row("text", "lettering in the photograph itself", (photos[name] for name in LETTERED), (), _has_unwanted_text)
    with_faces, without = ([i for n, i in photos.items() if (n in FACES) is has] for has in (True, False))
    row("faces", "a photograph with faces: `count` above 0", with_faces, without, lambda v: v["count"] > 0)
    _print_subjects(on_white)
    _print_objects()
    row("nsfw", "nudity: `score` above 0.2", (), photos.values(), lambda v: v["score"] > 0.2)
    counted = sum(min(read("faces", photos[name])["count"], faces) for name, faces in FACES.items())
    print(f"\nFaces, one by one: {counted} of {sum(FACES.values())} are found.")


def _print_blurs(photos: Mapping[str, Image.Image]) -> None:
    sharp = [image for name, image in photos.items() if name not in BLURRED]
    sharp += [studio(photos[name]) for name in THINGS if name not in BLURRED]
    for share in (0.005, 0.01, 0.02):
        blur = f"blur of {share:.1%} of the long edge: `focus` below 0.5"
        row("sharpness", blur, (blurred(image, share) for image in sharp), sharp, _is_blurred)
    for levels in (3, 8):
        grain = f"blur of 1.0 % under grain of {levels} levels: `focus` below 0.5"
        bad = (grainy(blurred(image, 0.01), levels) for image in sharp)
        row("sharpness", grain, bad, (grainy(image, levels) for image in sharp), _is_blurred)
    pale = "blur of 1.0 %, at 15 % of the contrast: `focus` below 0.5"
    row(
        "sharpness",
        pale,
        (paler(blurred(image, 0.01), 0.15) for image in sharp),
        (paler(i, 0.15) for i in sharp),
        _is_blurred,
    )
    row("sharpness", "in focus in the middle only: `focus` below 0.5", (), map(soft_around, sharp), _is_blurred)
    soft = "soft as they are (motion, microscope, telescope): `focus` below 0.5"
    row("sharpness", soft, (photos[name] for name in BLURRED), (), _is_blurred)


def _is_blurred(values: Values) -> bool:
    return float(values.get("focus", 0)) < 0.5


def _blank() -> list[Image.Image]:
    return [
        grainy(Image.new("RGB", (STUDIO_PX, STUDIO_PX), color), 1) for color in ("white", "gray", "#c03020", "black")
    ]


def _has_unwanted_text(values: Values) -> bool:
    return int(Text.compare(values, "A photograph")["unwanted_regions"]) > 0


def _print_backgrounds(on_white: list[Image.Image], scenes: list[Image.Image]) -> None:
    def is_not_white(values: Values) -> bool:
        return float(Background.compare(values, "white")["color_distance"]) > 5

    for color in ("#e8e8e8", "#f5efe0", "#1f8185"):
        others = (studio(thing, color) for thing in things())
        row(
            "background", f"{color} where white was asked for: `color_distance` above 5", others, on_white, is_not_white
        )
    busy = "a scene where a plain background was asked for: `border_share` below 90 %"
    row("background", busy, scenes, on_white, lambda v: v["border_share"] < 0.9)


def _print_colors() -> None:
    """Dye things, and request their color and every other one."""
    right, wrong = [], []
    for color in COLORS:
        for thing in list(things())[:5]:
            values = read("colors", studio(tinted(thing, named_colors(color)[0].rgb)))
            for asked in COLORS:
                is_missing = float(Colors.compare(values, asked)["named_share"]) < 0.03
                (right if asked == color else wrong).append(is_missing)
    limit = "another color than the one asked for: `named_share` below 3 %"
    print(f"| `colors` | {limit} | {sum(wrong)} of {len(wrong)} | {sum(right)} of {len(right)} |")


def _print_subjects(on_white: list[Image.Image]) -> None:
    cut = (studio(thing, left=at) for thing in things() for at in (0.1, 0.9))
    aside = (studio(thing, left=at) for thing in things() for at in (0.3, 0.7))
    row("subject", "cut off at an edge: `cut_edges` above 0", cut, on_white, lambda v: v["cut_edges"] > 0)
    off = "a fifth of the width off the center: `off_center` above 0.2"
    row("subject", off, aside, on_white, lambda v: v.get("off_center", 1) > 0.2)
    row("subject", "nothing there: `share` below 2 %", _blank(), on_white, lambda v: v["share"] < 0.02)


def _print_objects() -> None:
    """Request things that photographs show and things that they do not, and right and wrong numbers of things."""
    photos = photographs()
    kept = {name: read("objects", image) for name, image in photos.items()}

    def of(quantity: str, values: Values, text: str) -> Any:
        return Objects.compare(values, text).get(quantity, 0)

    absent = [of("missing_objects", kept[name], text) > 0 for name in OBJECTS for text in ABSENT]
    there = [of("missing_objects", kept[name], text) > 0 for name, text in OBJECTS.items()]
    asked = "something that is not there was asked for: `missing_objects` above 0"
    print(f"| `objects` | {asked} | {_of(absent)} | {_of(there)} |")
    people = [name for name, text in OBJECTS.items() if "person" in text or "people" in text]
    seen, unseen = (
        [of("count_difference", kept[name], "no people") > 0 for name in photos if (name in people) is has]
        for has in (True, False)
    )
    unwanted = "people where none were asked for: `count_difference` above 0"
    print(f"| `objects` | {unwanted} | {_of(seen)} | {_of(unseen)} |")
    groups = {
        f"{least} or {least + 1} cut-outs": [
            (read("objects", several(name, number)), label, number)
            for name, label in COUNTED.items()
            for number in (least, least + 1)
        ]
        for least in (1, 3, 5)
    }
    groups["a photograph"] = [
        (kept[name], one.label, one.number) for name, text in OBJECTS.items() for one in things_in(text)
    ]
    for title, group in groups.items():
        wrong, right = [], []
        for values, label, number in group:
            for other in {number - 1, number, number + 1} - {0}:
                is_blamed = of("count_difference", values, counted(other, label)) != 0
                (right if other == number else wrong).append(is_blamed)
        print(f"| `objects` | {title}, one thing more or less asked for: `count_difference` other than 0 | ", end="")
        print(f"{_of(wrong)} | {_of(right)} |")


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
    return asyncio.run(_drawn(recipes))


async def _drawn(recipes: Sequence[Recipe]) -> list[Image.Image]:
    provider = PreviewProvider(base_url=None, timeout_s=60)
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


PARTS = ("findings", "consistency", "groups", "costs", "throughput")


def main() -> None:
    """Print the requested tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="tables to print; default: all")
    for part in parser.parse_args().parts or PARTS:
        globals()[f"print_{part}"]()


if __name__ == "__main__":
    main()
