"""Solids as rings of points: a shape is plain data until it is painted.

Axes: x to the right, y up, z toward a viewer of the front. The ground is y = 0, and a product is about 1 high.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, cos, hypot, pi, sin

Point = tuple[float, float, float]
Ring = tuple[Point, ...]
CLOSED = (True, True)
OPEN_TOP = (True, False)
OPEN = (False, False)
FACE = (False, True)


@dataclass(frozen=True, slots=True)
class Solid:
    """A skin stretched over rings of points.

    Attributes:
        rings: All with the same number of points; quadrilaterals join neighbors. A single ring is a flat face, visible
            only from the side where its points run counterclockwise.
        paint: Name of a color: ``main``, ``trim``, ``metal``, ...
        ends: Whether flat faces close the first and the last ring.
        patterned: Whether it shows the pattern that the seed selects.
        lift: How much nearer than its distance it counts, so that a label lies on top of its product.
        hollow: Whether it is an inside, visible from within.
        creased: Whether it has edges, which get a line like its silhouette.
        joined: Whether no line separates it from the solid before it.
        depth_from: A point whose distance counts for all its faces; None if each has its own. Solids that share one are
            painted in order.
    """

    rings: tuple[Ring, ...]
    paint: str = "main"
    ends: tuple[bool, bool] = CLOSED
    patterned: bool = False
    lift: float = 0.0
    hollow: bool = False
    creased: bool = False
    joined: bool = False
    depth_from: Point | None = None

    def inside(self) -> Solid:
        """Return it as an inside that is open at its first ring."""
        return replace(self, ends=(False, True), hollow=True)

    def sorted_at(self, point: Point) -> Solid:
        """Return it with a point whose distance counts for all its faces."""
        return replace(self, depth_from=point)

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Solid:
        """Return it moved."""
        return self.mapped(lambda p: (p[0] + x, p[1] + y, p[2] + z))

    def turned(self, axis: str, angle_deg: float) -> Solid:
        """Return it turned about an axis through the origin, counterclockwise as seen from the axis' tip."""
        c, s = cos(angle_deg * pi / 180), sin(angle_deg * pi / 180)
        if axis == "x":
            return self.mapped(lambda p: (p[0], c * p[1] - s * p[2], s * p[1] + c * p[2]))
        if axis == "y":
            return self.mapped(lambda p: (c * p[0] + s * p[2], p[1], c * p[2] - s * p[0]))
        return self.mapped(lambda p: (c * p[0] - s * p[1], s * p[0] + c * p[1], p[2]))

    def mapped(self, move: Callable[[Point], Point]) -> Solid:
        """Return it with every point moved."""
        rings = tuple(tuple(move(point) for point in ring) for ring in self.rings)
        return replace(self, rings=rings, depth_from=self.depth_from and move(self.depth_from))


@dataclass(frozen=True, slots=True)
class Detail:
    """How finely solids are divided.

    Attributes:
        around: Points of a round ring.
        step: Largest distance between two rings of a wall.
    """

    around: int
    step: float

    def split(self, line: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
        """Add points to a line, so that none are farther apart than a step."""
        points = [line[0]]
        for start, end in pairwise(line):
            parts = max(1, ceil(hypot(*(b - a for a, b in zip(start, end, strict=True))) / self.step))
            points += [_between(start, end, part / parts) for part in range(1, parts + 1)]
        return points

    def curve(self, line: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
        """Add points on the smooth (Catmull-Rom) curve through the points of a line."""
        padded = [line[0], *line, line[-1]]
        points = [line[0]]
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
            parts = max(2, ceil(hypot(*(q - p for p, q in zip(b, c, strict=True))) / self.step))
            for part in range(1, parts + 1):
                t = part / parts
                points.append(tuple(_catmull_rom(*corner, t) for corner in zip(a, b, c, d, strict=True)))
        return points


def _between(start: Sequence[float], end: Sequence[float], share: float) -> tuple[float, ...]:
    return tuple(a + (b - a) * share for a, b in zip(start, end, strict=True))


def _catmull_rom(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t**3)
