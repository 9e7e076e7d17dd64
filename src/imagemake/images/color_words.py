"""Color words of CSS and of shops."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

RGB = tuple[int, int, int]
WHITE: RGB = (255, 255, 255)
BLACK: RGB = (0, 0, 0)

# Colors as shops use them: CSS has no cream, and its red, green, and blue are those of a screen.
PRODUCT_COLORS = """
amber:d9902f apricot:f4b183 aqua:5cc5c0 beige:e3d5bc black:28282c blue:2f63b5 blush:ecc0b8 brass:b99a4b bronze:9c6b3c
brown:7b5238 burgundy:6e2034 camel:bf9561 champagne:e9d8b4 charcoal:45484d cobalt:2747a5 cobaltblue:2747a5
copper:b8703f cream:f4ead2 denim:3f5f8a duskyrose:c48b86 dustyblue:8aa4ba dustypink:d6a3a1 ecru:e2d9c2 emerald:1f8a5f
emeraldgreen:1f8a5f forest:2f6244 forestgreen:2f6244 fuchsia:d13b8e gold:cfa545 graphite:4b4e54 gray:8d9197
green:3b8752 heathergray:b3b5b9 hunter:2f5a41 huntergreen:2f5a41 indigo:3a3f86 ivory:f5f0e1 jade:3a9a77 khaki:b5a27a
lavender:b9a7d8 lemon:f3dc5a lilac:c3a9d6 lime:a4c639 maroon:702632 mauve:b08aa0 midnightblue:1f2a4d mint:a9dcc3
mintgreen:a9dcc3 mocha:846150 mustard:d3a02c mustardyellow:d3a02c natural:ddcdb0 navy:22386b navyblue:22386b
nude:e0bfa6 oatmeal:dccfb8 offwhite:f3efe6 olive:74783d olivegreen:74783d orange:e8822e peach:f6bd9b pearl:ece7de
petrol:1f5b6b pewter:8a8d91 pink:f09ab5 plum:6f3a63 powderblue:b5cfe0 purple:7a4ea3 red:c8372d rose:d98a94
rosegold:d9a395 royalblue:2d55bf ruby:9b1f3f rust:b1532f sage:9fb095 sagegreen:9fb095 sand:d8c3a0 sapphire:26509c
scarlet:cf2f2a silver:b9bdc2 skyblue:86bfe6 slate:5f6b76 slategray:6c7782 steel:7c878f taupe:9c8d7f teal:1f8185
terracotta:c4694a turquoise:38b6ac violet:8357b3 walnut:6b4a34 white:f8f8f6 wine:6b2136 yellow:f2c230
"""
# Also names of materials and dishes: a linen cushion in navy is navy.
WEAK_COLORS = """
bisque brass bronze camel champagne chocolate copper denim gold lavender lemon lime linen mint mocha natural oatmeal
olive peach pearl peru plum rose sage seashell sienna silver slate snow steel tomato walnut wheat wine
"""
WEAK = frozenset(WEAK_COLORS.split())
LIGHTER = {"light": 0.4, "pale": 0.55, "pastel": 0.5, "soft": 0.25}
DARKER = {"dark": 0.35, "deep": 0.25}


@dataclass(frozen=True, slots=True)
class NamedColor:
    """A color that a text names: its words in lowercase, and its sRGB value."""

    name: str
    rgb: RGB


def mixed(color: RGB, other: RGB, share: float) -> RGB:
    """Mix a share of another color, 0 to 1, into a color."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(color, other, strict=True))
    return red, green, blue


def luminance(color: RGB) -> float:
    """Return the perceived lightness of an sRGB color by Rec. 601, 0 to 255."""
    return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]


def colors_in(text: str) -> list[NamedColor]:
    """Find the colors that a text names, in reading order, with materials last. The longest name wins."""
    words = re.findall(r"[a-z]+", text.lower().replace("grey", "gray"))
    strong: list[NamedColor] = []
    weak: list[NamedColor] = []
    start = 0
    while start < len(words):
        length, color = _color_at(words, start)
        if color:
            (weak if color.name in WEAK else strong).append(color)
        start += length
    return [*strong, *weak]


def named_colors(text: str) -> list[NamedColor]:
    """Find the colors that a value names, including those written as #rrggbb."""
    digits = re.findall(r"#([0-9a-fA-F]{6})\b", text)
    return [*(NamedColor(f"#{color}", _rgb(color)) for color in digits), *colors_in(re.sub(r"#\w*", " ", text))]


def _color_at(words: list[str], start: int) -> tuple[int, NamedColor | None]:
    table = _table()
    for length in (3, 2, 1):
        part = words[start : start + length]
        if len(part) == length and (rgb := table.get("".join(part))):
            return length, NamedColor(" ".join(part), rgb)
    tone = words[start]
    if tone in LIGHTER or tone in DARKER:
        length, color = _color_at(words, start + 1) if start + 1 < len(words) else (0, None)
        if color:
            toward, share = (WHITE, LIGHTER[tone]) if tone in LIGHTER else (BLACK, DARKER[tone])
            return length + 1, NamedColor(f"{tone} {color.name}", mixed(color.rgb, toward, share))
    return 1, None


@cache
def _table() -> dict[str, RGB]:
    from PIL import ImageColor

    table = {name: _rgb(value.lstrip("#")) for name, value in ImageColor.colormap.items() if isinstance(value, str)}
    return table | {name: _rgb(value) for name, value in (entry.split(":") for entry in PRODUCT_COLORS.split())}


def _rgb(digits: str) -> RGB:
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
