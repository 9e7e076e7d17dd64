"""Compares an image's colors with those of its group, to find one mug in yellow light among forty in white."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum
from statistics import median

from imagemake.config.similarity import LEAST_IMAGES, Consistency
from imagemake.images.lab import Lab, distance, lab_of
from imagemake.store.items import Measured


@dataclass(frozen=True, slots=True)
class Colored:
    """An accepted image.

    Attributes:
        name: The name of its request.
        group: The values that its group shares.
        color: Its mean color.
    """

    name: str
    group: tuple[str, ...]
    color: Lab


def colored(name: str, variables: Mapping[str, str], measured: Measured, by: Sequence[str]) -> Colored | None:
    """Return an image's group and color; None if it has no palette, or no value in one of the columns.

    Args:
        name: The name of its request.
        variables: The request's values by column.
        measured: The values read from the image.
        by: The columns whose values form groups.
    """
    color = color_in(measured)
    group = tuple(variables.get(column, "") for column in by)
    return None if color is None or not all(group) else Colored(name, group, color)


def color_in(measured: Measured) -> Lab | None:
    """Return an image's mean color; None if it has no palette."""
    found = next((values for identity, values in measured.items() if identity.startswith("colors@")), {})
    return mean_color(str(found["palette"])) if "palette" in found else None


@lru_cache(maxsize=1 << 17)  # computed again in every round of attempts
def mean_color(palette: str) -> Lab:
    """Return the mean of a palette that the measure `colors` read, weighted by each color's share of the image."""
    colors, shares = [], []
    for entry in palette.split():
        colors.append(lab_of((int(entry[:2], 16), int(entry[2:4], 16), int(entry[4:6], 16))))
        shares.append(float(entry[7:]))
    light, red_green, yellow_blue = (
        fsum(value * share for value, share in zip(channel, shares, strict=True)) / fsum(shares)
        for channel in zip(*colors, strict=True)
    )
    return light, red_green, yellow_blue


def odd_ones(images: Sequence[Colored], limits: Consistency) -> dict[str, str]:
    """Find the images whose colors are far from those of their group.

    Both the middle and the spread of a group are medians, so that a few odd images move neither. The middle is the
    median of each of L*, a*, and b*; the spread is the median distance from it.

    Args:
        images: The accepted images.
        limits: The largest distances.

    Returns:
        By name, the difference in words, with the value and the limit.
    """
    if not limits.by:
        return {}
    groups: dict[tuple[str, ...], list[Colored]] = {}
    for image in images:
        groups.setdefault(image.group, []).append(image)
    found: dict[str, str] = {}
    for values, group in groups.items():
        if len(group) >= LEAST_IMAGES:
            found |= _odd_ones_of(group, " ".join(values), limits)
    return found


def _odd_ones_of(group: Sequence[Colored], title: str, limits: Consistency) -> dict[str, str]:
    light, red_green, yellow_blue = (median(channel) for channel in zip(*(one.color for one in group), strict=True))
    middle = light, red_green, yellow_blue
    distances = [distance(one.color, middle) for one in group]
    most = max(limits.max_distance, limits.max_spread * median(distances))
    return {
        one.name: f"{_difference(one.color, middle)} than the {len(group)} images of {title}: a color difference of "
        f"{far:.3g}, at most {most:.3g}"
        for one, far in zip(group, distances, strict=True)
        if far > most
    }


def unlike_parents(measured: Measured, parents: Mapping[str, Measured], limits: Consistency) -> str:
    """Return how an image's colors differ too much from all images that it is made from; empty if they do not.

    The nearest one counts: an image that mixes several lies between them, so it is far from some of them.

    Args:
        measured: The values read from the image.
        parents: The values read from each image that it is made from, by name.
        limits: The largest distances.
    """
    color = color_in(measured)
    others = {name: other for name, values in parents.items() if (other := color_in(values)) is not None}
    if limits.max_from_parent is None or color is None or not others:
        return ""
    far, name, other = min((distance(color, other), name, other) for name, other in others.items())
    most = limits.max_from_parent
    if far <= most:
        return ""
    return f"{_difference(color, other)} than {name}: a color difference of {far:.3g}, at most {most:.3g}"


def _difference(color: Lab, middle: Lab) -> str:
    """Describe the largest difference: in lightness, or along one of the axes of color."""
    words = (("darker", "lighter"), ("greener", "redder"), ("bluer", "yellower"))
    by = [one - other for one, other in zip(color, middle, strict=True)]
    axis = max(range(3), key=lambda at: abs(by[at]))
    return words[axis][by[axis] > 0]
