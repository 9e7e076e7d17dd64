"""Measured values of an image, each with the limits of its check."""

from __future__ import annotations

from dataclasses import dataclass

from imagemake.config.checks import Limit
from imagemake.plan.state import Policy
from imagemake.review.item import ReviewItem
from imagemake.stages.validate.verdict import flat


@dataclass(frozen=True, slots=True)
class Reading:
    """A measured value.

    Attributes:
        quantity: Name of the quantity, such as ``tone.contrast``.
        value: The value as text.
        limits: Limits in words; empty if the quantity is not checked.
        verdict: ``accepted``, ``review``, or ``rejected``; empty if the quantity is not checked.
    """

    quantity: str
    value: str
    limits: str
    verdict: str


def readings_of(item: ReviewItem, policy: Policy) -> list[Reading]:
    """Return the measured values of an item's image, checked ones first."""
    values, request = flat(item.state.measured), item.state.request
    checks = policy.checks.of(request.variables, request.model or item.state.recipe.model)
    found = []
    for quantity, check in checks.items():
        if quantity in values:
            broken = {
                "rejected": check.reject and check.reject.broken_by(values[quantity]),
                "review": check.review and check.review.broken_by(values[quantity]),
            }
            verdict = next((verdict for verdict, limit in broken.items() if limit), "accepted")
            limits = [
                f"{word} {_outside(limit)}"
                for word, limit in (("review", check.review), ("reject", check.reject))
                if limit
            ]
            found.append(Reading(quantity, _number(values[quantity]), "; ".join(limits), verdict))
    rest = sorted(quantity for quantity in values if quantity not in checks and not quantity.startswith("phash."))
    return found + [Reading(quantity, _number(values[quantity]), "", "") for quantity in rest]


def _outside(limit: Limit) -> str:
    ends = (("below", limit.min), ("above", limit.max))
    return " or ".join(f"{word} {end:g}" for word, end in ends if end is not None)


def _number(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
