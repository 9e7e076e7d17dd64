"""Tableware: mug, teapot, bowl, bottle, vase, plant, candle."""

from __future__ import annotations

from math import pi, sin

from imagemake.plugins.providers.preview.forms import around_wall, oval, revolved, tube
from imagemake.plugins.providers.preview.solids import OPEN_TOP, Detail, Solid

# What is in a vessel is painted first, then its outside: so the near wall hides it, and the far one is behind it.
MIDDLE = (0.0, 0.45, 0.0)


def mug(detail: Detail) -> list[Solid]:
    """A mug, its handle to the right, a badge on its front."""
    outside = detail.split([(0.37, 0.0), (0.40, 0.03), (0.40, 0.86), (0.385, 0.88)])
    inside = detail.split([(0.385, 0.88), (0.36, 0.86), (0.35, 0.08), (0.0, 0.06)])
    bend = [(0.385, 0.70, 0), (0.56, 0.72, 0), (0.68, 0.62, 0), (0.68, 0.38, 0), (0.56, 0.24, 0), (0.385, 0.22, 0)]
    return [
        revolved(inside, detail, "inside").inside().sorted_at(MIDDLE),
        revolved(outside, detail, ends=OPEN_TOP, patterned=True).sorted_at(MIDDLE),
        tube(detail.curve(bend), 0.085, detail, flat=0.6).sorted_at((0.5, MIDDLE[1], 0.0)),
        around_wall([(x, 0.46 + y) for x, y in oval(0.26, 0.26, detail.around)], 0.402, "badge"),
    ]


def teapot(detail: Detail) -> list[Solid]:
    """A round teapot with a lid, its spout to the left and its handle to the right."""
    body = [(0.24, 0.0), (0.26, 0.02), (0.40, 0.14), (0.45, 0.30), (0.38, 0.50), (0.20, 0.60)]
    lid = [
        (0.21, 0.60),
        (0.20, 0.63),
        (0.12, 0.68),
        (0.03, 0.70),
        (0.03, 0.73),
        (0.065, 0.77),
        (0.05, 0.81),
        (0.0, 0.82),
    ]
    spout = [(-0.36, 0.20, 0), (-0.52, 0.28, 0), (-0.62, 0.44, 0), (-0.74, 0.56, 0)]
    handle = [(0.38, 0.46, 0), (0.56, 0.54, 0), (0.70, 0.44, 0), (0.66, 0.26, 0), (0.42, 0.16, 0)]
    return [
        tube(detail.curve(spout), 0.075, detail).sorted_at((-0.55, MIDDLE[1], 0.0)),
        tube(detail.curve(handle), 0.05, detail).sorted_at((0.55, MIDDLE[1], 0.0)),
        revolved(detail.curve(body), detail, patterned=True).sorted_at(MIDDLE),
        revolved(detail.split(lid), detail, "trim").sorted_at(MIDDLE),
    ]


def bowl(detail: Detail) -> list[Solid]:
    """A bowl on a foot."""
    outside = [(0.27, 0.0), *detail.curve([(0.28, 0.05), (0.46, 0.14), (0.60, 0.32), (0.64, 0.50)])]
    inside = detail.curve([(0.64, 0.50), (0.61, 0.50), (0.56, 0.33), (0.42, 0.17), (0.0, 0.10)])
    return [
        revolved(inside, detail, "inside").inside().sorted_at(MIDDLE),
        revolved(outside, detail, ends=OPEN_TOP, patterned=True).sorted_at(MIDDLE),
    ]


def bottle(detail: Detail) -> list[Solid]:
    """A bottle with a screw cap and a label."""
    body = detail.split([(0.20, 0.0), (0.235, 0.03), (0.235, 0.74)])
    shoulder = detail.curve([(0.235, 0.74), (0.21, 0.83), (0.12, 0.90), (0.10, 0.97)])[1:]
    cap = detail.split([(0.115, 0.97), (0.12, 0.98), (0.12, 1.13), (0.11, 1.15)])
    return [
        revolved([*body, *shoulder], detail, patterned=True).sorted_at(MIDDLE),
        revolved(cap, detail, "trim").sorted_at(MIDDLE),
        around_wall([(x, 0.42 + y) for x, y in oval(0.30, 0.34, detail.around, 6.0)], 0.237, "badge"),
    ]


def vase(detail: Detail) -> list[Solid]:
    """A bellied vase with a narrow neck."""
    line = [(0.20, 0.0), (0.30, 0.12), (0.39, 0.36), (0.32, 0.66), (0.17, 0.86), (0.15, 0.98), (0.22, 1.06)]
    inside = [(0.22, 1.06), (0.195, 1.06), (0.12, 0.96), (0.0, 0.90)]
    return [
        revolved(detail.split(inside), detail, "shade").inside().sorted_at(MIDDLE),
        revolved(detail.curve(line), detail, ends=OPEN_TOP, patterned=True).sorted_at(MIDDLE),
    ]


def plant(detail: Detail) -> list[Solid]:
    """A pot with leaves; the pot has the product's color."""
    outside = detail.split([(0.22, 0.0), (0.31, 0.44), (0.34, 0.44), (0.35, 0.54), (0.33, 0.54)])
    inside = detail.split([(0.33, 0.54), (0.31, 0.48), (0.0, 0.48)])
    leaves = [_leaf(137.5 * index, 0.24 + 0.10 * (index % 3), 0.62 - 0.10 * (index % 3), detail) for index in range(11)]
    return [
        revolved(inside, detail, "earth").inside().sorted_at(MIDDLE),
        revolved(outside, detail, ends=OPEN_TOP, patterned=True).sorted_at(MIDDLE),
        *leaves,
    ]


def _leaf(turn_deg: float, reach: float, rise: float, detail: Detail) -> Solid:
    steps = max(5, detail.around // 5)
    rings = []
    for step in range(steps + 1):
        share = step / steps
        half = 0.012 + 0.11 * sin(pi * share**0.8)
        x, y = 0.04 + (reach + 0.1) * share, 0.48 + rise * sin(share * pi * 0.62)
        edge = y + 0.45 * half
        rings.append(((x, y + 0.012, 0.0), (x, edge, half), (x, y - 0.012, 0.0), (x, edge, -half)))
    return Solid(tuple(rings), "leaf").turned("y", turn_deg)


def candle(detail: Detail) -> list[Solid]:
    """A candle in a jar of the product's color, burning."""
    outside = detail.split([(0.33, 0.0), (0.36, 0.03), (0.36, 0.72), (0.345, 0.74)])
    inside = detail.split([(0.345, 0.74), (0.325, 0.73), (0.32, 0.60), (0.0, 0.60)])
    flame = [(0.0, 0.70), (0.035, 0.73), (0.052, 0.78), (0.036, 0.86), (0.0, 0.96)]
    return [
        revolved(inside, detail, "wax").inside().sorted_at(MIDDLE),
        tube(detail.split([(0, 0.60, 0), (0, 0.73, 0)]), 0.012, detail, "dark").sorted_at(MIDDLE),
        revolved(detail.curve(flame), detail, "flame").sorted_at(MIDDLE),
        revolved(outside, detail, ends=OPEN_TOP, patterned=True).sorted_at(MIDDLE),
        around_wall([(x, 0.34 + y) for x, y in oval(0.36, 0.28, detail.around, 6.0)], 0.362, "badge"),
    ]
