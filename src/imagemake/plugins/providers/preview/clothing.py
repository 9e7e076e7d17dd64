"""Clothing: shirt, shoe, hat, cap."""

from __future__ import annotations

from dataclasses import replace
from math import cos, pi, sin

from imagemake.plugins.providers.preview.forms import label, oval, revolved, stacked, tube
from imagemake.plugins.providers.preview.solids import OPEN, OPEN_TOP, Detail, Solid


def shirt(detail: Detail) -> list[Solid]:
    """A T-shirt as on an invisible mannequin."""
    trunk = [
        (0.00, 0.60, 0.26, 0, 0),
        (0.20, 0.58, 0.26, 0, 0),
        (0.45, 0.60, 0.29, 0, 0),
        (0.66, 0.64, 0.30, 0, 0),
        (0.80, 0.60, 0.26, 0, 0),
        (0.88, 0.42, 0.21, 0, -0.01),
        (0.92, 0.27, 0.19, 0, -0.02),
    ]
    collar = [(0.905, 0.29, 0.205, 0, -0.02), (0.945, 0.26, 0.19, 0, -0.03)]
    throat = [(0.945, 0.26, 0.19, 0, -0.03), (0.90, 0.23, 0.17, 0, -0.02), (0.80, 0.20, 0.15, 0, 0)]
    return [
        stacked(detail.curve(trunk), detail, squareness=2.6, ends=OPEN_TOP, patterned=True),
        *(replace(_sleeve(side, detail), joined=True) for side in (-1, 1)),
        replace(stacked(collar, detail, "trim", ends=OPEN), lift=0.08),
        stacked(throat, detail, "shade").inside(),
        label([(x, 0.62 + y) for x, y in oval(0.22, 0.18, detail.around)], 0.155, "badge"),
    ]


def _sleeve(side: int, detail: Detail) -> Solid:
    path = detail.curve([(side * 0.22, 0.80, 0), (side * 0.33, 0.75, 0), (side * 0.48, 0.55, 0.02)])
    return tube(path, 0.125, detail, flat=0.9)


def shoe(detail: Detail) -> list[Solid]:
    """A sneaker; its toe points to the front."""
    # Sections of the upper, from the sole to the ankle: y, width, length, z of its middle.
    line = [
        (0.11, 0.35, 1.05, 0.02),
        (0.16, 0.35, 1.02, 0.02),
        (0.22, 0.33, 0.93, -0.02),
        (0.28, 0.30, 0.79, -0.09),
        (0.36, 0.27, 0.62, -0.18),
        (0.46, 0.25, 0.50, -0.24),
        (0.54, 0.25, 0.44, -0.27),
    ]
    upper = [(y, width, length, 0.0, z) for y, width, length, z in detail.curve(line)]
    throat = [(0.54, 0.25, 0.44, 0.0, -0.27), (0.44, 0.22, 0.40, 0.0, -0.26)]
    sole = [(0.0, 0.375, 1.10, 0.0, 0.02), (0.11, 0.375, 1.10, 0.0, 0.02), (0.115, 0.34, 1.04, 0.0, 0.02)]
    tongue = tube(detail.split([(0.0, 0.44, -0.055), (0.0, 0.60, -0.11)]), 0.075, detail, flat=0.25)
    return [
        stacked(detail.split(sole), detail, "light", 2.2, ends=OPEN_TOP),
        stacked(upper, detail, squareness=2.2, ends=OPEN_TOP),
        stacked(throat, detail, "shade", squareness=2.2).inside(),
        replace(tongue, joined=True),
        *(_lace(y, z, detail) for y, z in ((0.27, 0.315), (0.34, 0.195), (0.41, 0.085), (0.48, 0.02))),
    ]


def _lace(y: float, z: float, detail: Detail) -> Solid:
    path = [(-0.105, y, z - 0.06), (-0.07, y + 0.015, z), (0.07, y + 0.015, z), (0.105, y, z - 0.06)]
    return tube(detail.curve(path), 0.017, detail, "badge")


def hat(detail: Detail) -> list[Solid]:
    """A hat with a wide brim and a ribbon."""
    crown = detail.curve([(0.36, 0.06), (0.345, 0.20), (0.31, 0.42), (0.24, 0.50), (0.0, 0.48)])
    brim = detail.curve([(0.34, 0.05), (0.55, 0.035), (0.70, 0.07), (0.70, 0.085), (0.55, 0.06), (0.34, 0.08)])
    ribbon = detail.split([(0.366, 0.07), (0.354, 0.17)])
    pieces = [revolved(brim, detail), revolved(crown, detail), revolved(ribbon, detail, "trim", OPEN)]
    return [piece.sorted_at((0.0, 0.2, 0.0)) for piece in pieces]


def cap(detail: Detail) -> list[Solid]:
    """A baseball cap, its visor to the front."""
    crown = [(0.40 * cos(t), 0.05 + 0.38 * sin(t)) for t in [index * pi / 20 for index in range(11)]]
    button = revolved([(0.04, 0.42), (0.035, 0.445), (0.0, 0.45)], detail, "trim")
    badge = label([(x, y) for x, y in oval(0.2, 0.16, detail.around)], 0.0, "badge")
    return [
        revolved(detail.split(crown), detail, patterned=True).sorted_at((0.0, 0.05, 0.0)),
        button.sorted_at((0.0, 0.05, 0.0)),
        _visor(detail).sorted_at((0.0, 0.05, 0.4)),
        badge.turned("x", -28).moved(y=0.24, z=0.362),
    ]


def _visor(detail: Detail) -> Solid:
    # Rings from left to right, each a thin lens that bends down toward both sides.
    rings = []
    steps = max(8, detail.around // 3)
    for step in range(steps + 1):
        angle = pi * (step / steps - 0.5) * 0.98
        x, reach = 0.39 * sin(angle), 0.02 + 0.36 * cos(angle) ** 0.8
        back = 0.97 * (0.40**2 - x * x) ** 0.5 - 0.03
        tip, top = back + reach, 0.085 - 0.055 * (x / 0.39) ** 2
        rings.append(((x, top, back), (x, top - 0.03, tip), (x, top - 0.045, tip), (x, top - 0.025, back)))
    return Solid(tuple(rings), "trim")
