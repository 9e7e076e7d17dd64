"""Measures what verdicts find and blame, with 95% intervals, on photographs that no limit was chosen on.

Run ``python bench/rates.py``, or name some tables: ``curve`` is how the limits of near-duplicates and of sharpness were
chosen, on another set. The first run fetches packages with photographs (350 MB) to work/bench.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from labeled import blurred, grainy, lettered, paler, soft_around, studio, tinted
from measures import COLORS, SIDE_PX, drawn, read
from photographs import chosen, foods, held_out, large
from PIL import Image, ImageEnhance, ImageOps

from imagemake.core.recipe import Recipe
from imagemake.images.color_words import named_colors
from imagemake.plugins.measures.background import Background
from imagemake.plugins.measures.colors import Colors
from imagemake.plugins.measures.objects import Objects
from imagemake.plugins.measures.text import Text
from imagemake.release.metrics.success import interval_95
from imagemake.stages.validate.prints import Alike, Prints

Change = Callable[[Image.Image], Image.Image]
Images = Mapping[str, Image.Image]
WAYS = ((4, 6), (8, 12), (8, 16), (10, 12), (10, 16), (10, 24), (11, 40))  # bits, color levels
DEFAULT = Alike(10, 16, flips=True)
COPIES = Alike(2, 2)  # packages ship some photographs twice, in other sizes


def cut(image: Image.Image, share: float) -> Image.Image:
    """Cut a share off each side."""
    across, down = (round(share * side) for side in image.size)
    return image.crop((across, down, image.width - across, image.height - down))


def lit(image: Image.Image, factor: float) -> Image.Image:
    """Multiply all levels."""
    return ImageEnhance.Brightness(image).enhance(factor)


CHANGES: Mapping[str, Change] = {
    "encoded at quality 60": lambda image: Image.open(as_jpeg(image, 60)).convert("RGB"),
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
    "2 % cut off each side": lambda image: cut(image, 0.02),
    "5 % cut off each side": lambda image: cut(image, 0.05),
    "6 % more light": lambda image: lit(image, 1.06),
    "6 % less light": lambda image: lit(image, 0.94),
    "15 % more light": lambda image: lit(image, 1.15),
    "10 % more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.1),
    "a word, 8 % of the height": lambda image: lettered(image, "SALE 50", 0.08),
    "mirrored": ImageOps.mirror,
    "mirrored, 2 % cut off": lambda image: ImageOps.mirror(cut(image, 0.02)),
}


def as_jpeg(image: Image.Image, quality: int) -> BytesIO:
    """Return a JPEG as a file in memory."""
    target = BytesIO()
    image.save(target, "JPEG", quality=quality)
    return target


def of(found: Iterable[bool]) -> str:
    """Return a rate with its interval, as a cell of a table."""
    answers = list(found)
    if not answers:
        return "not measured"
    low, high = interval_95(sum(answers), len(answers))
    return f"{sum(answers)} of {len(answers)} ({100 * low:.1f} to {100 * high:.1f} %)"


def prints_of(images: Iterable[Image.Image]) -> Prints:
    """Return what near-duplicates are found by, of JPEGs of good quality."""
    values = [read("phash", image) for image in images]
    return Prints.from_digits([(str(one["hash"]), str(one["colors"])) for one in values])


@cache
def changed(images: Callable[[], dict[str, Image.Image]], change: str) -> tuple[Prints, Prints]:
    """Return the prints of the images and of the changed ones."""
    return prints_of(images().values()), prints_of(map(CHANGES[change], images().values()))


def found_in(pair: tuple[Prints, Prints], alike: Alike) -> list[bool]:
    """Return for each pair whether it is found."""
    original, other = pair
    near = alike.holds(original, other)
    return (near | alike.holds(original, other.mirrored()) if alike.flips else near).tolist()


def false_pairs(prints: Prints, alike: Alike) -> int:
    """Return the number of different images that are called alike; copies of one photograph are not counted."""
    found = np.concatenate([np.stack(pair).T for pair in alike.pairs(prints, None)])
    rows, places = np.unique(np.sort(found, axis=1), axis=0).T
    return int((~COPIES.holds(prints.of(rows), prints.of(places))).sum())


def renders(one_seed: bool) -> tuple[list[dict[str, str]], Prints]:
    """Return the rows of the example campaign, and prints of their preview renders."""
    rows = list(csv.DictReader(Path("config/catalog.csv").read_text().splitlines()))
    prompt = "Product photo of {product} on a white background, {angle}, {color}, high detail."
    recipes = [
        Recipe("preview", "preview-1", prompt.format(**row), 7 if one_seed else seed, {"size": "512x512"})
        for seed, row in enumerate(rows)
    ]
    return rows, prints_of(asyncio.run(drawn(recipes)))


def print_curve() -> None:
    """Print what each limit finds and blames, on the set that the defaults were chosen on."""
    kinds = ["2 % cut off each side", "6 % more light", "6 % less light", "a word, 8 % of the height", "mirrored"]
    rows, variants = renders(one_seed=True)
    _, others = renders(one_seed=False)
    same_thing = [
        (i, j)
        for (i, one), (j, other) in combinations(enumerate(rows), 2)
        if (one["sku"], one["angle"]) == (other["sku"], other["angle"])
    ]
    first, second = (np.array([pair[side] for pair in same_thing]) for side in (0, 1))
    n = len(chosen()) + len(foods())
    originals = [prints_of(images().values()) for images in (chosen, foods)]
    print(f"\n| limits | {' | '.join(kinds)} | pairs of different photographs | other colors | other renders |")
    print("|---" * (4 + len(kinds)) + "|")
    for bits, levels in WAYS:
        alike = Alike(bits, levels, flips=True)
        cells = []
        for kind in kinds:
            found = [one for images in (chosen, foods) for one in found_in(changed(images, kind), alike)]
            cells.append(f"{100 * sum(found) / n:.1f} %")
        false = sum(false_pairs(prints, alike) for prints in originals)
        pairs = sum(len(prints) * (len(prints) - 1) // 2 for prints in originals)
        cells.append(f"{false} of {pairs:,}")
        cells.append(f"{int(alike.holds(variants.of(first), variants.of(second)).sum())} of {len(first)}")
        cells.append(f"{false_pairs(others, alike)} of {len(others) * (len(others) - 1) // 2:,}")
        print(f"| {bits} bits, {levels} levels | {' | '.join(cells)} |")


def print_duplicates() -> None:
    """Print what the default limits find in the held-out set."""
    print("\n| near-duplicate | found |\n|---|---|")
    for change in CHANGES:
        print(f"| {change} | {of(found_in(changed(held_out, change), DEFAULT))} |")
    prints = prints_of(held_out().values())
    print(f"| different images | {false_pairs(prints, DEFAULT)} of {len(prints) * (len(prints) - 1) // 2:,} pairs |")


def row(name: str, defect: str, bad: Iterable[Image.Image], good: Iterable[Image.Image], is_bad: Any) -> None:
    """Print how many defects are found, and how many good images are blamed."""
    found, blamed = ([is_bad(read(name, image)) for image in images] for images in (bad, good))
    print(f"| `{name}` | {defect} | {of(found)} | {of(blamed)} |", flush=True)


def print_sharpness() -> None:
    """Print what is found of blurred images, in the held-out set and in the one that the limit was chosen on."""
    heads("held-out set")
    _print_blurs(large(held_out()))
    heads("chosen on")
    _print_blurs(large(chosen()))


def heads(title: str) -> None:
    """Print the head of a table of defects."""
    print(f"\n| {title}: measure | defect, and the limit | found | good images blamed |\n|---|---|---|---|")


def _print_blurs(images: Images) -> None:
    def is_blurred(values: Mapping[str, Any]) -> bool:
        return float(values.get("focus", 0)) < 0.5

    sharp = list(images.values())
    for share in (0.0025, 0.004, 0.006, 0.01):
        title = f"blur of {100 * share:g} % of the long edge: `focus` below 0.5"
        row("sharpness", title, (blurred(image, share) for image in sharp), sharp if share < 0.004 else (), is_blurred)
    for levels, share in ((3, 0.0025), (3, 0.01), (8, 0.01)):
        title = f"blur of {100 * share:g} % under grain of {levels} levels"
        bad = (grainy(blurred(image, share), levels) for image in sharp)
        row("sharpness", title, bad, (grainy(image, levels) for image in sharp), is_blurred)
    pale = (paler(blurred(image, 0.0025), 0.15) for image in sharp)
    row("sharpness", "blur of 0.25 %, at 15 % of the contrast", pale, (paler(i, 0.15) for i in sharp), is_blurred)
    row("sharpness", "in focus in the middle third only", (), map(soft_around, sharp), is_blurred)


# Kinds of COCO on held-out images that show exactly one, by a part of the name.
ONE = {
    "albino_peahen": "bird",
    "birds__duck": "bird",
    "heron_greatblue": "bird",
    "nandou": "bird",
    "birds__owl": "bird",
    "pelican": "bird",
    "tucan": "bird",
    "european-bear": "bear",
    "cow_white": "cow",
    "bovines__sheep": "sheep",
    "dogs__dog.": "dog",
    "mammals__elephant": "elephant",
    "orange_seville": "orange",
    "household__toilet": "toilet",
    "firetruck": "truck",
    "planes__747": "airplane",
    "people__fireman": "person",
    "paratrooper": "person",
    "farm_animals/animals/cat": "cat",
    "farm_animals/animals/cow": "cow",
    "farm_animals/animals/dog": "dog",
    "farm_animals/animals/duck": "bird",
    "farm_animals/animals/sheep": "sheep",
    "world_animals/animals/owl": "bird",
    "polar_bear": "bear",
    "scarlet_macaw": "bird",
    "others/chair": "chair",
    "others/baseball": "sports ball",
    "others/volleyball": "sports ball",
    "scissors2": "scissors",
    "scissors3": "scissors",
}
SEVERAL = ("cow_white", "bovines__sheep", "dogs__dog.", "mammals__elephant", "birds__owl", "people__fireman")
ABSENT = (
    "a pizza",
    "a laptop",
    "an umbrella",
    "a banana",
    "a teddy bear",
    "a suitcase",
    "a skateboard",
    "a toothbrush",
)


class Shown(NamedTuple):
    """What the object finder reads from an image, and what is there."""

    values: Mapping[str, Any]
    kind: str
    number: int


def _shown() -> list[Shown]:
    found = []
    for name, image in held_out().items():
        kind = next((kind for part, kind in ONE.items() if part in name + "."), None)
        if kind:
            found.append(Shown(read("objects", image), kind, 1))
    return found


def _several() -> list[Shown]:
    """Return grids of 2 to 6 copies of a thing before white, every other one mirrored."""
    found = []
    for name, image in held_out().items():
        kind = next((ONE[part] for part in SEVERAL if part in name), None)
        for number in range(2, 7) if kind and name.startswith("stamp") else ():
            columns = 2 if number <= 4 else 3
            side_px = SIDE_PX // columns
            grid = Image.new("RGB", (SIDE_PX, SIDE_PX), "white")
            for place in range(number):
                one = image.resize((side_px, side_px), Image.Resampling.LANCZOS)
                one = ImageOps.mirror(one) if place % 2 else one
                grid.paste(one, (place % columns * side_px, place // columns * side_px))
            assert kind is not None
            found.append(Shown(read("objects", grid), kind, number))
    return found


def _print_objects() -> None:
    def quantity(shown: Shown, name: str, text: str) -> int:
        return int(Objects.compare(shown.values, text).get(name, 0))

    ones, several = _shown(), _several()
    missing = [quantity(shown, "missing_objects", text) > 0 for shown in ones for text in ABSENT]
    there = [quantity(shown, "missing_objects", f"a {shown.kind}") > 0 for shown in ones]
    asked = "something that is not there was asked for: `missing_objects` above 0"
    print(f"| `objects` | {asked} | {of(missing)} | {of(there)} |", flush=True)
    for title, group in (("one thing", ones), ("2 to 6 copies of a thing before white", several)):
        wrong, right = [], []
        for shown in group:
            for number in {shown.number - 1, shown.number, shown.number + 1} - {0}:
                text = f"{number} {shown.kind}{'' if number == 1 or shown.kind in ('sheep', 'scissors') else 's'}"
                text = text.replace("persons", "people")
                (right if number == shown.number else wrong).append(quantity(shown, "count_difference", text) != 0)
        print(f"| `objects` | {title}, one more or less asked for: `count_difference` other than 0 | ", end="")
        print(f"{of(wrong)} | {of(right)} |", flush=True)
    without = [read("objects", image) for name, image in held_out().items() if "people" not in name]
    blamed = [int(Objects.compare(values, "no people").get("count_difference", 0)) > 0 for values in without]
    print(f"| `objects` | people where none were asked for: `count_difference` above 0 | not measured | {of(blamed)} |")


def print_others() -> None:
    """Print what the other measures find and blame in the held-out set."""
    images = held_out()
    before_white = [image for name, image in images.items() if name.startswith("stamp")]
    scenes = [i for n, i in images.items() if n.startswith("explore") or "fishes" in n or "renewable" in n]
    everything = list(images.values())
    heads("held-out set")
    blank = [grainy(Image.new("RGB", (640, 640), color), 1) for color in ("white", "gray", "#c03020", "black")]
    row("tone", "one color: `uniform_share` above 98 %", blank, everything, lambda v: v["uniform_share"] > 0.98)
    row("tone", "one color: `contrast` below 0.035", blank, everything, lambda v: v["contrast"] < 0.035)
    for levels in (8, 16):
        grain = f"grain of {levels} levels: `deviation_levels` above 5"
        bad = (grainy(image, levels) for image in everything)
        row("noise", grain, bad, everything if levels == 8 else (), lambda v: v.get("deviation_levels", 0) > 5)

    def is_not_white(values: Mapping[str, Any]) -> bool:
        return float(Background.compare(values, "white")["color_distance"]) > 5

    for color in ("#e8e8e8", "#f5efe0", "#1f8185"):
        title = f"{color} where white was asked for: `color_distance` above 5"
        others = (_before(image, color) for image in before_white)
        row("background", title, others, before_white if color == "#e8e8e8" else (), is_not_white)
    busy = "a scene where a plain background was asked for: `border_share` below 90 %"
    row("background", busy, scenes, before_white, lambda v: v["border_share"] < 0.9)
    right, wrong = [], []
    for image in before_white[::4]:
        for color in COLORS:
            values = read("colors", _before(tinted(image, named_colors(color)[0].rgb), "white", mask_of=image))
            for asked in COLORS:
                is_missing = float(Colors.compare(values, asked)["named_share"]) < 0.03
                (right if asked == color else wrong).append(is_missing)
    print(f"| `colors` | another color than the one asked for: `named_share` below 3 % | {of(wrong)} | {of(right)} |")
    plain = [i for n, i in images.items() if n.startswith(("explore_world", "explore_farm")) or "fishes" in n]
    for share in (0.03, 0.06, 0.12):
        title = f"a word nobody asked for, {share:.0%} of the height: `unwanted_regions` above 0"
        words = (lettered(image, "SALE 50", share) for image in plain)
        row("text", title, words, plain if share < 0.06 else (), _has_unwanted_text)
    row("faces", "faces where there are none: `count` above 0", (), scenes, lambda v: v["count"] > 0)
    shown = before_white[::2]
    moved = [studio(image, left=at) for image in shown for at in (0.1, 0.9)]
    cut_off = [image for image in moved if np.asarray(image)[:, [0, -1]].min() < 200]  # narrow things are still whole
    whole = [studio(image) for image in shown]
    row("subject", "cut off at an edge: `cut_edges` above 0", cut_off, whole, lambda v: v["cut_edges"] > 0)
    aside = (studio(image, left=at) for image in shown for at in (0.3, 0.7))
    off = "a fifth of the width off the center: `off_center` above 0.2"
    row("subject", off, aside, whole, lambda v: v.get("off_center", 1) > 0.2)
    row("subject", "nothing there: `share` below 2 %", blank, whole, lambda v: v["share"] < 0.02)
    _print_objects()
    small = [*everything, *foods().values()]
    scores = [float(read("nsfw", image)["score"]) for image in small]
    for limit in (0.2, 0.5, 0.8):
        print(f"| `nsfw` | nudity: `score` above {limit} | not measured | {of(score > limit for score in scores)} |")


def _has_unwanted_text(values: Mapping[str, Any]) -> bool:
    return int(Text.compare(values, "A photograph")["unwanted_regions"]) > 0


def _before(image: Image.Image, color: str, mask_of: Image.Image | None = None) -> Image.Image:
    """Put what is not white before another color."""
    levels = np.asarray(mask_of or image).min(axis=2)
    canvas = Image.new("RGB", image.size, color)
    canvas.paste(image, mask=Image.fromarray(((levels < 250) * 255).astype(np.uint8)))
    return canvas


PARTS = ("curve", "duplicates", "sharpness", "others")


def main() -> None:
    """Print the requested tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="tables to print; default: all")
    for part in parser.parse_args().parts or PARTS:
        globals()[f"print_{part}"]()


if __name__ == "__main__":
    main()
