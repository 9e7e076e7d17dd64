"""Household items: chair, lamp, book, pillow, box; and the card for what has no drawing."""

from __future__ import annotations

from dataclasses import replace
from math import pi, sin

from imagemake.plugins.providers.preview.forms import box, cushion, label, oval, revolved, stacked, tube
from imagemake.plugins.providers.preview.solids import FACE, OPEN, Detail, Solid


def chair(detail: Detail) -> list[Solid]:
    """A chair with a curved back on four wooden legs."""
    legs = [
        tube(detail.split([(side * 0.20, 0.44, z * 0.8), (side * 0.27, 0.0, z)]), 0.028, detail, "wood")
        for side in (-1, 1)
        for z in (0.25, -0.25)
    ]
    seat = (
        cushion([(x, y) for x, y in oval(0.58, 0.54, detail.around, 4.0)], 0.09, detail, "main", 0.12)
        .turned("x", -90)
        .moved(y=0.48)
    )
    sections = [(0.60, 0.44, 0.04, 0, 0), (0.63, 0.52, 0.07, 0, 0), (0.97, 0.54, 0.07, 0, 0), (1.0, 0.46, 0.04, 0, 0)]
    back = stacked(detail.split(sections), detail, squareness=4.0, patterned=True)
    bent = back.mapped(lambda p: (p[0], p[1], p[2] - 0.27 + 0.9 * p[0] ** 2 - 0.12 * (p[1] - 0.6)))
    posts = [
        tube(detail.split([(side * 0.16, 0.46, -0.24), (side * 0.16, 0.66, -0.27)]), 0.022, detail, "wood")
        for side in (-1, 1)
    ]
    return [*legs, seat, *(piece.sorted_at((0.0, 0.8, -0.27)) for piece in (*posts, bent))]


def lamp(detail: Detail) -> list[Solid]:
    """A table lamp, lit."""
    foot = detail.curve(
        [
            (0.24, 0.0),
            (0.24, 0.025),
            (0.12, 0.05),
            (0.06, 0.10),
            (0.13, 0.22),
            (0.15, 0.32),
            (0.10, 0.44),
            (0.03, 0.50),
            (0.025, 0.62),
        ]
    )
    shade = detail.split([(0.38, 0.56), (0.22, 1.0)])
    inside = detail.split([(0.37, 0.56), (0.21, 1.0)])
    pieces = [
        replace(revolved(inside, detail, "glow"), ends=OPEN, hollow=True),
        revolved(foot, detail, "metal"),
        revolved(shade, detail, ends=OPEN, patterned=True),
    ]
    return [piece.sorted_at((0.0, 0.5, 0.0)) for piece in pieces]


def book(detail: Detail) -> list[Solid]:
    """A standing hardcover book."""
    # Boxes side by side: their middles alone decide which one hides which.
    pages = box(0.60, 0.83, 0.13, detail, "paper").moved(y=0.035).sorted_at((0.0, 0.45, 0.0))
    covers = [
        box(0.64, 0.90, 0.025, detail, patterned=True).moved(z=z).sorted_at((0.0, 0.45, z)) for z in (0.08, -0.08)
    ]
    spine = box(0.02, 0.90, 0.185, detail, "trim").moved(x=-0.33).sorted_at((-0.33, 0.45, 0.0))
    lines = [
        label([(-w / 2, y - h), (w / 2, y - h), (w / 2, y), (-w / 2, y)], 0.094, "badge", lift=0.35)
        for w, h, y in ((0.40, 0.07, 0.74), (0.28, 0.05, 0.63), (0.18, 0.025, 0.16))
    ]
    return [pages, *covers, spine, *lines]


def pillow(detail: Detail) -> list[Solid]:
    """A square cushion, standing."""
    sections = []
    for (share,) in detail.split([(0.0,), (1.0,)]):
        bulge = sin(pi * share) ** 0.5
        sections.append((0.90 * share, 0.90 - 0.06 * bulge, 0.02 + 0.34 * bulge, 0.0, 0.0))
    return [stacked(sections, detail, squareness=1.7, patterned=True)]


def carton(detail: Detail) -> list[Solid]:
    """A closed carton with tape."""
    tape = 0.07
    return [
        box(0.86, 0.62, 0.62, detail, patterned=True),
        Solid(
            (((-0.43, 0.621, tape), (0.43, 0.621, tape), (0.43, 0.621, -tape), (-0.43, 0.621, -tape)),),
            "light",
            FACE,
            lift=0.25,
        ),
        label([(0.10, 0.12), (0.34, 0.12), (0.34, 0.28), (0.10, 0.28)], 0.311, "badge"),
    ]


def card(detail: Detail) -> list[Solid]:
    """A standing card with a white face, on which `cards.write` writes; the corners of the face come last."""
    width, height, rim = 0.98, 0.66, 0.035
    foot = box(0.30, 0.03, 0.34, detail, "trim").sorted_at((0.0, 0.0, -0.1))
    face = [(-width / 2 + rim, rim), (width / 2 - rim, rim), (width / 2 - rim, height - rim)]
    face.append((-width / 2 + rim, height - rim))
    board = box(width, height, 0.03, detail).sorted_at((0.0, 0.3, 0.0))
    return [foot, board, label(face, 0.016, "paper").sorted_at((0.0, 0.3, 1.0))]
