"""Measures cut-outs: things with a known opacity before photographs, and the doubt about photographs' masks.

    python bench/cutouts.py          mean error of the opacity, of 1,000, and of the visible colors at edges, in levels
    python bench/cutouts.py doubt    subject.mask_doubt of each photograph

The first run downloads the wheels that have the photographs to work/bench.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from labeled import photographs
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from imagemake.config.outputs import Output
from imagemake.images import cutout
from imagemake.images.cutout import fitted, subject_colors
from imagemake.images.decoded import decode_image
from imagemake.images.networks.subject_mask import SubjectMask
from imagemake.plugins.measures.subject import Subject, SubjectSettings
from imagemake.stages.postprocess.encode import encode

SIDE_PX, FINER = 768, 4
BEFORE = {"white": None, "grass": 6, "china": 6, "flower": 2}  # photographs, and by how many pixels they are blurred
WAYS = {"narrow": ((0.01,), (0.01,)), "wide": ((0.08, 0.03, 0.01),) * 2, "chosen": ((0.01,), (0.08, 0.03, 0.01))}

Color = tuple[int, int, int]


class Drawing:
    """A thing that is drawn twice at once: its opacity, and its colors. Places are shares of the side."""

    def __init__(self) -> None:
        side = SIDE_PX * FINER
        self.side = side
        self.opacity, self.colors = Image.new("L", (side, side)), Image.new("RGB", (side, side), "#787878")
        self._draws = ImageDraw.Draw(self.opacity), ImageDraw.Draw(self.colors)

    def polygon(self, points: list[tuple[float, float]], color: Color) -> None:
        """Fill a polygon."""
        places = [(x * self.side, y * self.side) for x, y in points]
        self._draws[0].polygon(places, fill=255)
        self._draws[1].polygon(places, fill=color)

    def line(self, points: list[tuple[float, float]], color: Color, width: float) -> None:
        """Draw a line."""
        places, width_px = [(x * self.side, y * self.side) for x, y in points], round(width * self.side)
        self._draws[0].line(places, fill=255, width=width_px, joint="curve")
        self._draws[1].line(places, fill=color, width=width_px + 3, joint="curve")

    def ellipse(self, box: tuple[float, float, float, float], color: Color) -> None:
        """Fill an ellipse."""
        places = tuple(part * self.side for part in box)
        self._draws[0].ellipse(places, fill=255)
        self._draws[1].ellipse(places, fill=color)


def chair(at: Drawing) -> None:
    """Draw thin legs and a back of bars."""
    at.polygon([(0.3, 0.5), (0.66, 0.5), (0.72, 0.6), (0.34, 0.6)], (150, 90, 40))
    for x, top, bottom in ((0.32, 0.53, 0.85), (0.645, 0.56, 0.82), (0.36, 0.6, 0.92), (0.70, 0.6, 0.9)):
        at.line([(x, top), (x - 0.01, bottom)], (110, 65, 28), 0.018)
    for x in (0.31, 0.65):
        at.line([(x, 0.12), (x, 0.52)], (132, 80, 32), 0.016)
    for y in (0.14, 0.22, 0.30, 0.38):
        at.line([(0.31, y), (0.65, y)], (160, 100, 50), 0.016)


def plant(at: Drawing) -> None:
    """Draw a pot with thin leaves."""
    rng = np.random.default_rng(3)
    at.polygon([(0.4, 0.7), (0.6, 0.7), (0.57, 0.92), (0.43, 0.92)], (180, 95, 60))
    for _ in range(40):
        angle, length, green = rng.uniform(-1.3, 1.3), rng.uniform(0.25, 0.5), int(rng.uniform(80, 170))
        way = [
            (0.5 + math.sin(1.2 * angle * t) * length * t, 0.7 - math.cos(1.2 * angle * t) * length * t)
            for t in np.linspace(0, 1, 24)
        ]
        at.line(way, (green // 3, green, green // 4), rng.uniform(0.0015, 0.005))


def fur(at: Drawing) -> None:
    """Draw a ball of hairs."""
    rng = np.random.default_rng(5)
    at.ellipse((0.25, 0.27, 0.75, 0.77), (150, 112, 68))
    for _ in range(2500):
        angle, start, light = rng.uniform(0, 2 * math.pi), rng.uniform(0.05, 0.25), int(rng.uniform(90, 230))
        toward, length = angle + rng.normal(0, 0.35), rng.uniform(0.04, 0.16)
        x, y = 0.5 + math.cos(angle) * start, 0.52 + math.sin(angle) * start
        end = x + math.cos(toward) * length, y + math.sin(toward) * length
        at.line([(x, y), end], (light, int(light * 0.75), int(light * 0.45)), rng.uniform(0.0009, 0.0023))


def lamp(at: Drawing) -> None:
    """Draw a lamp on a thin pole."""
    at.polygon([(0.38, 0.08), (0.62, 0.08), (0.72, 0.32), (0.28, 0.32)], (225, 205, 160))
    at.line([(0.5, 0.32), (0.5, 0.88)], (60, 60, 60), 0.012)
    at.ellipse((0.38, 0.86, 0.62, 0.92), (70, 70, 70))


THINGS: Mapping[str, Callable[[Drawing], None]] = {"chair": chair, "plant": plant, "fur": fur, "lamp": lamp}


def main() -> None:
    """Measure, and print a table."""
    cv2.setNumThreads(1)
    doubts() if sys.argv[1:] == ["doubt"] else errors()


def errors() -> None:
    """Print the errors of each thing before each background."""
    network, photos = SubjectMask(320), photographs()
    print("| thing, background | mask | narrow | wide | chosen | colors before | colors after |")
    print("|---|---|---|---|---|---|---|")
    for name, draw in THINGS.items():
        thing = Drawing()
        draw(thing)
        opacity = np.asarray(thing.opacity.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX), dtype=np.float32) / 255
        colors = np.asarray(thing.colors.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX), dtype=np.float32)
        for ground, blur_px in BEFORE.items():
            image = mixed(opacity, colors, background(photos, ground, blur_px))
            mask = network.of(image)
            found = [cv2.resize(mask, (SIDE_PX, SIDE_PX))]
            for cutout.RADII, cutout.RADII_BEFORE_PLAIN in WAYS.values():
                found.append(fitted(mask, image))
            told = [f"{1000 * np.abs(one - opacity).mean():.1f}" for one in found]
            told += [f"{at_edges(one, colors, opacity):.1f}" for one in (image, subject_colors(image, opacity))]
            print(f"| {name}, {ground} | {' | '.join(told)} |", flush=True)


def background(photos: Mapping[str, Image.Image], name: str, blur_px: int | None) -> Image.Image:
    """Return a photograph, blurred as behind a subject in focus, or a nearly white area."""
    if blur_px is None:
        return Image.new("RGB", (SIDE_PX, SIDE_PX), (236, 234, 230))
    side = min(photos[name].size)
    square = photos[name].crop((0, 0, side, side)).resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    return square.filter(ImageFilter.GaussianBlur(blur_px))


def mixed(opacity: NDArray[np.float32], colors: NDArray[np.float32], ground: Image.Image) -> Image.Image:
    """Put a thing before a background."""
    share = opacity[:, :, None]
    return Image.fromarray(np.rint(share * colors + (1 - share) * np.asarray(ground)).astype(np.uint8))


def at_edges(image: Image.Image, colors: NDArray[np.float32], opacity: NDArray[np.float32]) -> float:
    """Return how far the colors of half-transparent pixels are from the thing's, as far as they are visible."""
    edge = (opacity > 0.05) & (opacity < 0.95)
    return float((np.abs(np.asarray(image) - colors).mean(axis=2) * opacity)[edge].mean())


def doubts() -> None:
    """Print the doubt about each photograph's mask, the smallest first."""
    measure = Subject(SubjectSettings())
    read = {name: measure.read(decode_image(encode(one, Output(format="png")))) for name, one in photographs().items()}
    known = {name: float(values["mask_doubt"]) for name, values in read.items() if "mask_doubt" in values}
    for name in sorted(known, key=known.__getitem__):
        print(f"{known[name]:.3f} {name}")


if __name__ == "__main__":
    main()
