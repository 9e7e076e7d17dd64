"""Sizes in the one spelling of configurations: pixels, or a ratio with an optional tier.

``1024x1536``, ``2:3``, and ``2:3@2K`` are sizes; a provider translates them into what its API wants.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

_PIXELS = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")
_RATIO = re.compile(r"([1-9][0-9]{0,2}):([1-9][0-9]{0,2})(?:@([0-9.]{1,4}[Kk]|[0-9]{3,4}))?")


@dataclass(frozen=True, slots=True)
class Size:
    """A size.

    Attributes:
        width: In pixels if `is_pixels`, else the first number of the ratio.
        height: The same for the height.
        is_pixels: Whether the edges are given, not their ratio only.
        tier: Such as ``2K``, as the API names it, in upper case; None if not given.
    """

    width: int
    height: int
    is_pixels: bool
    tier: str | None = None

    @property
    def ratio(self) -> str:
        """The ratio in lowest terms, such as ``2:3``."""
        divisor = gcd(self.width, self.height)
        return f"{self.width // divisor}:{self.height // divisor}"


def parse_size(text: object) -> Size | None:
    """Read a size; None for anything else, such as ``auto``."""
    if not isinstance(text, str):
        return None
    if edges := _PIXELS.fullmatch(text):
        return Size(int(edges[1]), int(edges[2]), True)
    if ratio := _RATIO.fullmatch(text):
        return Size(int(ratio[1]), int(ratio[2]), False, ratio[3].upper() if ratio[3] else None)
    return None


def without_tiers(sizes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Name many sizes in few words.

    Returns:
        The sizes without those of tiers, and the tiers that each ratio among them can have; all sizes and no tiers, if
        only some ratios have a tier.
    """
    parsed = {size: one for size in sizes if (one := parse_size(size)) is not None and not one.is_pixels}
    bare = [size for size, one in parsed.items() if one.tier is None]
    tiers = list(dict.fromkeys(one.tier for one in parsed.values() if one.tier is not None))
    if {f"{size}@{tier}" for size in bare for tier in tiers} != set(parsed) - set(bare):
        return list(sizes), []
    return [size for size in sizes if size not in parsed or size in bare], tiers
