"""The forms of products: pots, stacked ovals, boxes, tubes, cushions, labels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import cos, hypot, pi, sin

from imagemake.plugins.providers.preview.solids import CLOSED, FACE, Detail, Solid


def oval(width: float, depth: float, points: int, squareness: float = 2.0) -> list[tuple[float, float]]:
    """Return points around a superellipse about the origin: 2 is an ellipse, larger values approach a rectangle."""
    power = 2.0 / squareness
    ring = []
    for index in range(points):
        c, s = cos(2 * pi * (index + 0.5) / points), sin(2 * pi * (index + 0.5) / points)
        ring.append(
            (width / 2 * abs(c) ** power * (1 if c > 0 else -1), depth / 2 * abs(s) ** power * (1 if s > 0 else -1))
        )
    return ring


def revolved(
    profile: Sequence[tuple[float, ...]],
    detail: Detail,
    paint: str = "main",
    ends: tuple[bool, bool] = CLOSED,
    patterned: bool = False,
) -> Solid:
    """Rotate a profile of (radius, height) about the y axis."""
    circle = oval(2.0, 2.0, detail.around)
    rings = tuple(tuple((radius * x, y, radius * z) for x, z in circle) for radius, y in profile)
    return Solid(rings, paint, ends, patterned)


def stacked(
    sections: Sequence[tuple[float, ...]],
    detail: Detail,
    paint: str = "main",
    squareness: float = 2.0,
    *,
    ends: tuple[bool, bool] = CLOSED,
    patterned: bool = False,
) -> Solid:
    """Stack ovals, each (y, width, depth, x of its center, z of its center)."""
    unit = oval(1.0, 1.0, detail.around, squareness)
    rings = tuple(tuple((cx + w * x, y, cz + d * z) for x, z in unit) for y, w, d, cx, cz in sections)
    return Solid(rings, paint, ends, patterned)


def box(
    width: float, height: float, depth: float, detail: Detail, paint: str = "main", *, patterned: bool = False
) -> Solid:
    """Place a box on the ground, about the y axis; its walls are divided so that depths can be sorted."""
    across = [(-width / 2, -depth / 2), (width / 2, -depth / 2), (width / 2, depth / 2), (-width / 2, depth / 2)]
    walls = detail.split([*across, across[0]])[:-1]
    heights = detail.split([(0.0,), (height,)])
    rings = tuple(tuple((x, y, z) for x, z in walls) for (y,) in heights)
    return Solid(rings, paint, patterned=patterned, creased=True)


def tube(
    path: Sequence[tuple[float, ...]], radius: float, detail: Detail, paint: str = "main", flat: float = 1.0
) -> Solid:
    """Run a round (or flattened) tube along a path of points.

    Args:
        path: Points (x, y, z), preferably in a plane.
        radius: Radius across the path's plane.
        detail: How finely it is divided.
        paint: Name of a color.
        flat: Thickness within the plane, as a share of the radius.
    """
    points = max(5, detail.around // 3)
    across = _plane_normal(path)
    rings = []
    for index, center in enumerate(path):
        before, after = path[max(0, index - 1)], path[min(len(path) - 1, index + 1)]
        along = _unit(tuple(b - a for a, b in zip(before, after, strict=True)))
        side = _cross(across, along)
        ring = []
        for u, v in oval(2.0, 2.0, points):
            ring.append(
                tuple(c + radius * (u * a + flat * v * s) for c, a, s in zip(center, across, side, strict=True))
            )
        rings.append(tuple(ring))
    return Solid(tuple(rings), paint)  # type: ignore[arg-type]


def cushion(
    outline: Sequence[tuple[float, float]], depth: float, detail: Detail, paint: str, round_share: float
) -> Solid:
    """Inflate an outline to a cushion, flat in the middle and round toward its edge.

    Args:
        outline: Points (x, y), star-shaped about their mean.
        depth: Thickness in the middle, along z.
        detail: How finely it is divided.
        paint: Name of a color.
        round_share: Share of the way from the edge to the middle that is round.
    """
    middle_x = sum(x for x, _ in outline) / len(outline)
    middle_y = sum(y for _, y in outline) / len(outline)
    turns = max(4, detail.around // 4)
    rings = []
    for index in range(turns + 1):
        angle = pi * (index / turns - 0.5)
        size, z = 1 - round_share * (1 - cos(angle)), depth / 2 * sin(angle)
        rings.append(tuple((middle_x + (x - middle_x) * size, middle_y + (y - middle_y) * size, z) for x, y in outline))
    return Solid(tuple(rings), paint)


def label(points: Sequence[tuple[float, float]], z: float, paint: str, lift: float = 0.25) -> Solid:
    """Lay a flat face at depth z onto a front; its points (x, y) run counterclockwise."""
    return Solid((tuple((x, y, z) for x, y in points),), paint, FACE, lift=lift)


def around_wall(points: Sequence[tuple[float, float]], radius: float, paint: str, lift: float = 0.25) -> Solid:
    """Lay a face onto the front of a round wall; its points are (distance along the wall, height)."""
    ring = tuple((radius * sin(x / radius), y, radius * cos(x / radius)) for x, y in points)
    return Solid((ring,), paint, FACE, lift=lift)


def _plane_normal(path: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    total = [0.0, 0.0, 0.0]
    first = path[0]
    for a, b in pairwise(path[1:]):
        normal = _cross([p - q for p, q in zip(a, first, strict=True)], [p - q for p, q in zip(b, first, strict=True)])
        total = [t + n for t, n in zip(total, normal, strict=True)]
    if hypot(*total) > 1e-9:
        return _unit(total)
    along = _unit([b - a for a, b in zip(first, path[-1], strict=True)])
    return _unit(_cross(along, (0.0, 0.0, 1.0) if abs(along[2]) < 0.9 else (1.0, 0.0, 0.0)))


def _cross(a: Sequence[float], b: Sequence[float]) -> tuple[float, ...]:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _unit(a: Sequence[float]) -> tuple[float, ...]:
    length = hypot(*a) or 1.0
    return tuple(value / length for value in a)
