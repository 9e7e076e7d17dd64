"""Bags: tote bag, backpack."""

from __future__ import annotations

from imagemake.plugins.providers.preview.forms import cushion, label, oval, stacked, tube
from imagemake.plugins.providers.preview.solids import OPEN_TOP, Detail, Solid


def tote(detail: Detail) -> list[Solid]:
    """A tote bag with two handles."""
    body = [(0.0, 0.66, 0.20, 0, 0), (0.04, 0.72, 0.24, 0, 0), (0.40, 0.74, 0.20, 0, 0), (0.70, 0.76, 0.13, 0, 0)]
    inside = [(0.70, 0.76, 0.13, 0, 0), (0.64, 0.72, 0.10, 0, 0)]
    badge = label([(x, 0.34 + y) for x, y in oval(0.28, 0.28, detail.around)], 0.118, "badge")
    return [
        stacked(inside, detail, "shade", squareness=5.0).inside().sorted_at((0.0, 0.4, 0.0)),
        stacked(detail.split(body), detail, squareness=5.0, ends=OPEN_TOP, patterned=True).sorted_at((0.0, 0.4, 0.0)),
        *(_handle(z, detail).sorted_at((0.0, 0.4, z)) for z in (0.085, -0.085)),
        badge.sorted_at((0.0, 0.4, 0.1)),
    ]


def _handle(z: float, detail: Detail) -> Solid:
    path = [(-0.17, 0.62, z), (-0.16, 0.86, z * 0.9), (0.0, 1.04, z * 0.8), (0.16, 0.86, z * 0.9), (0.17, 0.62, z)]
    return tube(detail.curve(path), 0.028, detail, "trim", flat=0.5)


def backpack(detail: Detail) -> list[Solid]:
    """A backpack with a front pocket; its straps are at the back."""
    body = [
        (0.0, 0.56, 0.30, 0, 0),
        (0.04, 0.64, 0.36, 0, 0),
        (0.50, 0.64, 0.34, 0, 0),
        (0.78, 0.58, 0.30, 0, 0),
        (0.93, 0.40, 0.20, 0, -0.02),
        (0.97, 0.20, 0.10, 0, -0.03),
    ]
    pocket = cushion([(x, 0.27 + y) for x, y in oval(0.50, 0.38, detail.around, 5.0)], 0.16, detail, "trim", 0.25)
    zipper = [(-0.26, 0.56, 0.172), (-0.23, 0.72, 0.16), (0.0, 0.81, 0.148), (0.23, 0.72, 0.16), (0.26, 0.56, 0.172)]
    grip = [(-0.09, 0.95, -0.04), (-0.07, 1.05, -0.04), (0.07, 1.05, -0.04), (0.09, 0.95, -0.04)]
    badge = label([(x, 0.27 + y) for x, y in oval(0.16, 0.10, detail.around, 6.0)], 0.262, "badge")
    return [
        tube(detail.curve(grip), 0.022, detail, "trim").sorted_at((0.0, 0.5, 0.0)),
        stacked(detail.curve(body), detail, squareness=4.0, patterned=True).sorted_at((0.0, 0.5, 0.0)),
        tube(detail.curve(zipper), 0.012, detail, "metal").sorted_at((0.0, 0.5, 0.16)),
        pocket.moved(z=0.18).sorted_at((0.0, 0.5, 0.18)),
        badge.sorted_at((0.0, 0.5, 0.26)),
        *(_strap(side, detail).sorted_at((0.0, 0.5, -0.2)) for side in (-1, 1)),
    ]


def _strap(side: int, detail: Detail) -> Solid:
    path = [(0.12, 0.88, -0.12), (0.17, 0.80, -0.22), (0.20, 0.50, -0.26), (0.26, 0.12, -0.16)]
    return tube(detail.curve([(side * x, y, z) for x, y, z in path]), 0.055, detail, "trim", flat=0.35)
