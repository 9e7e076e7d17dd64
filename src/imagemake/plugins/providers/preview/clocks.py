"""Clocks: watch, clock."""

from __future__ import annotations

from dataclasses import replace
from math import cos, pi, sin

from imagemake.plugins.providers.preview.forms import label, oval, revolved, tube
from imagemake.plugins.providers.preview.solids import OPEN, OPEN_TOP, Detail, Solid


def watch(detail: Detail) -> list[Solid]:
    """A wrist watch, standing with its strap closed."""
    turns = [2 * pi * index / max(16, detail.around) for index in range(max(16, detail.around) + 1)]
    strap = tube([(0.0, 0.42 + 0.42 * sin(t), -0.37 + 0.36 * cos(t)) for t in turns], 0.14, detail, flat=0.18)
    case = detail.split([(0.27, 0.0), (0.29, 0.02), (0.29, 0.07), (0.24, 0.095)])
    crown = tube(detail.split([(0.28, 0.42, 0.045), (0.335, 0.42, 0.045)]), 0.03, detail, "metal")
    return [
        replace(strap, ends=OPEN),
        revolved(case, detail, "metal", ends=OPEN_TOP).turned("x", 90).moved(y=0.42),
        crown,
        *_dial(0.42, 0.096, 0.24, detail),
    ]


def clock(detail: Detail) -> list[Solid]:
    """A round table clock."""
    case = detail.split([(0.44, 0.0), (0.48, 0.03), (0.48, 0.15), (0.455, 0.18), (0.42, 0.18), (0.41, 0.15)])
    feet = [
        tube(detail.split([(side * 0.24, 0.14, 0.05), (side * 0.30, 0.0, 0.05)]), 0.035, detail, "trim")
        for side in (-1, 1)
    ]
    return [
        *feet,
        revolved(case, detail, ends=OPEN_TOP).turned("x", 90).moved(y=0.53),
        *_dial(0.53, 0.15, 0.41, detail),
    ]


def _dial(y: float, z: float, radius: float, detail: Detail) -> list[Solid]:
    """A face with ticks and hands at ten past ten; each lies on the one before it, from any angle."""
    tick = [(-0.02, 0.80), (0.02, 0.80), (0.02, 0.90), (-0.02, 0.90)]
    hour_hand = [(-0.035, -0.06), (0.035, -0.06), (0.02, 0.52), (-0.02, 0.52)]
    minute_hand = [(-0.025, -0.06), (0.025, -0.06), (0.015, 0.74), (-0.015, 0.74)]
    pieces = [(oval(2.0, 2.0, detail.around), 0.0, "paper")]
    pieces += [(tick, -30.0 * hour, "dark") for hour in range(12)]
    pieces += [(hour_hand, -305.0, "dark"), (minute_hand, -60.0, "dark")]
    return [
        label([(radius * u, radius * v) for u, v in points], z, paint, lift=0.12)
        .sorted_at((0.0, 0.0, z))
        .turned("z", turn_deg)
        .moved(y=y)
        for points, turn_deg, paint in pieces
    ]
