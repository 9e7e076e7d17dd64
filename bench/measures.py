"""What each measure finds and misses on a small labeled set, and what it costs; prints the tables of docs/measures.md.

Run it with ``python bench/measures.py``. It downloads four wheels with photographs (34 MB) to work/bench once.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import cv2
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

from imagemake.batch import Item
from imagemake.measures import ALWAYS_READ, BUILT_IN, Measure, measure_class
from imagemake.measures.background import Background
from imagemake.measures.colors import Colors
from imagemake.measures.objects import Objects
from imagemake.measures.text import Text
from imagemake.pictures.color_words import named_colors
from imagemake.pictures.object_words import counted, things_in
from imagemake.pictures.picture import open_picture
from imagemake.planning.consistency import Colored, Consistency, mean_color, odd_ones
from imagemake.recipe import Recipe
from imagemake.store import Store
from imagemake.validate import load_measures, validate_batch
from imagemake.wanted.chosen import chosen_measure

Values = Mapping[str, Any]
COLORS = ("red", "orange", "mustard", "green", "teal", "navy", "purple", "pink", "black", "beige")
SIDE_PX = 1024
WITH_WEIGHTS = [name for name in BUILT_IN if name != "prompt"]  # no package ships what that one reads by
DISTANCES = (5, 10)  # of colors that are odd in their group


@cache
def measure(name: str) -> Any:
    """Load a measure once, as users get it."""
    cv2.setNumThreads(1)
    return measure_class(name)(measure_class(name).Settings())


def read(name: str, image: Image.Image) -> Values:
    """Read a measure from a picture that came as a JPEG of good quality."""
    values: Values = measure(name).read(open_picture(as_provided(image, "JPEG")))
    return values


Images = Iterable[Image.Image]


def row(name: str, defect: str, bad: Images, good: Images, is_bad: Callable[[Values], bool]) -> None:
    """Print how many defects are found and missed, and how many good pictures are blamed."""
    found = [is_bad(read(name, image)) for image in bad]
    blamed = [is_bad(read(name, image)) for image in good]
    print(f"| `{name}` | {defect} | {_of(found)} | {_of(blamed)} |")


def _of(answers: list[bool]) -> str:
    return f"{sum(answers)} of {len(answers)}" if answers else "not measured"


def print_findings() -> None:
    """Print the table of what is found, missed, and blamed."""
    photos = photographs()
    sharp = [image for name, image in photos.items() if name not in BLURRED]
    plain = [image for name, image in photos.items() if name in UNLETTERED]
    on_white = [studio(thing) for thing in things()]
    print("| measure | defect, and the limit | found | good pictures blamed |\n|---|---|---|---|")
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
    """Dye things, and ask for their color and for every other one."""
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
    """Ask photographs for what is there and for what is not, and ask groups of things for their number and others."""
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
    """Print which odd pictures are found among eight of the same thing, and how many of the eight are blamed."""
    limits = " | ".join(f"`max_distance: {most:g}`: found | of the others, blamed" for most in DISTANCES)
    print(f"\n| odd one of nine pictures of a thing | {limits} |\n{'|---' * (1 + 2 * len(DISTANCES))}|")
    casts = {
        "a yellow cast: blue at 90 %": (1.0, 1.0, 0.9),
        "a yellow cast: blue at 80 %": (1.0, 1.0, 0.8),
        "a third of a stop darker (80 % of each level)": (0.8, 0.8, 0.8),
    }
    for title, factors in casts.items():
        _print_odd_ones(title, lambda thing, factors=factors: _cast(studio(thing), factors))  # type: ignore[misc]
    _print_odd_ones("the thing dyed teal", lambda thing: studio(tinted(thing, (0, 128, 128))))
    _print_odd_ones("#f5efe0 where the others are white", lambda thing: studio(thing, "#f5efe0"))


def _cast(image: Image.Image, factors: Sequence[float]) -> Image.Image:
    table = [round(level * factor) for factor in factors for level in range(256)]
    return image.point(table)


def _print_odd_ones(title: str, odd: Callable[[Image.Image], Image.Image]) -> None:
    pictures = []
    for number, thing in enumerate(things()):
        shown = [*(studio(thing, left=0.36 + 0.04 * place) for place in range(8)), odd(thing)]
        for place, image in enumerate(shown):
            color = mean_color(str(read("colors", image)["palette"]))
            name = f"{'odd' if place == 8 else 'good'} {number} {place}"
            pictures.append(Colored(name, (str(number),), color))
    cells = []
    for most in DISTANCES:
        odd_names = set(odd_ones(pictures, Consistency(by=("thing",), max_distance=most)))
        for kind in ("odd", "good"):
            of_kind = [one.name in odd_names for one in pictures if one.name.startswith(kind)]
            cells += [_of(of_kind)]
    print(f"| {title} | {' | '.join(cells)} |")


def print_costs() -> None:
    """Print what each measure takes, beside decoding."""
    files = [as_provided(ImageOps.fit(image, (SIDE_PX, SIDE_PX)), "PNG") for image in list(photographs().values())[::3]]
    pictures = [open_picture(data) for data in files]
    open_ms = median(ms(partial(open_picture, data)) for data in files)
    print(f"\nDecoding a PNG of {SIDE_PX} x {SIDE_PX} px takes {open_ms:.0f} ms.\n")
    print("| measure | ms a picture, alone | share of decoding |\n|---|---|---|")
    for name in WITH_WEIGHTS:
        alone_ms = median(ms(lambda one=one, name=name: measure(name).read(fresh(one))) for one in pictures)  # type: ignore[misc]
        print(f"| `{name}` | {alone_ms:.1f} | {alone_ms / open_ms:.0%} |")


def print_throughput(names: Sequence[str], title: str, copies: int) -> None:
    """Print how many pictures a second two jobs validate, and how many the sum of the parts would give."""
    with tempfile.TemporaryDirectory() as folder:
        files = [as_provided(ImageOps.fit(image, (SIDE_PX, SIDE_PX)), "PNG") for image in photographs().values()]
        store, items = Store(Path(folder)), []
        for number in range(copies * len(files)):
            recipe = Recipe("preview", "preview-1", "a mug", number)
            held = store.raw.put(recipe.key(), files[number % len(files)], durable=False)
            items.append(Item(str(number), 0, recipe, recipe.key(), "new", raw=held))
        # Processes of their own, as jobs are: a fork would share what the libraries of this one hold.
        with ProcessPoolExecutor(2, get_context("spawn")) as jobs:
            both = [jobs.submit(_job, folder, items[at::2], tuple(names)) for at in (0, 1)]
            done = [job.result() for job in both]
            parts_s = jobs.submit(_parts_s, folder, items[: len(files)], tuple(names)).result()
    wall_s = max(end for _, end, _ in done) - min(start for start, _, _ in done)
    cpu_s = sum(cpu_s for _, _, cpu_s in done) / len(items)
    print(f"| {title} | {len(items) / wall_s:.1f} | {1000 * cpu_s:.0f} | {1000 * parts_s:.0f} |")


def _job(folder: str, items: Sequence[Item], names: tuple[str, ...]) -> tuple[float, float, float]:
    """Validate; return start and end, and the seconds of processor time."""
    measures = _loaded(names)
    validate_batch(items[:1], measures, Store(Path(folder)))  # imports, and networks that are made ready
    time.sleep(5)  # until the other job has done so, too
    start, cpu_s = time.time(), time.process_time()
    measured = validate_batch(items, measures, Store(Path(folder)))
    assert not any("failed" in values for item in measured for values in item.measures.values())
    return start, time.time(), time.process_time() - cpu_s


def _parts_s(folder: str, items: Sequence[Item], names: tuple[str, ...]) -> float:
    """Return the mean processor time of decoding, and of every measure by itself on a picture without views."""
    store, measures = Store(Path(folder)), _loaded(names)
    validate_batch(items[:1], measures, store)
    cpu_s = time.process_time()
    for item in items:
        assert item.raw is not None
        picture = open_picture(store.raw.read(item.raw))
        for one in measures.values():
            one.read(fresh(picture))
    return (time.process_time() - cpu_s) / len(items)


def _loaded(names: tuple[str, ...]) -> dict[str, Measure]:
    return load_measures(chosen_measure(name) for name in names)


def main() -> None:
    """Print the tables."""
    print_findings()
    print_consistency()
    print_costs()
    print("\n| measures | pictures a second, two jobs | ms of processor a picture | sum of its parts, ms |")
    print("|---|---|---|---|")
    print_throughput(ALWAYS_READ, "those that are always read", copies=4)
    print_throughput([*ALWAYS_READ, "nsfw", "faces"], "and `nsfw`, `faces`", copies=2)
    print_throughput(WITH_WEIGHTS, "all", copies=1)


if __name__ == "__main__":
    main()
