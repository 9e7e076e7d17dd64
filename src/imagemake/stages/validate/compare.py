"""Compares the values read from an image with its request: the quantities that depend on both."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from string import Formatter

from imagemake.config.checks import Check, compared_by
from imagemake.plugins.measures import ComparingMeasure, Measure, Value, phrase_of
from imagemake.stages.validate.expected import Expected
from imagemake.stages.validate.text_match import matched_identity, measure_of
from imagemake.stages.validate.verdict import FAILED_QUANTITY, flat
from imagemake.store.items import Measured


def values_of(measured: Measured, checks: Mapping[str, Check], wanted: Expected) -> dict[str, Value]:
    """Return all values of an image by quantity: those read from it, and those that compare it with its request.

    Args:
        measured: The values read from the image.
        checks: Checks by quantity. Further compared quantities of a checked measure are returned too. Those that the
            check's reason mentions use the same text as the check, whatever other checks of the measure use.
        wanted: The request.
    """
    checked: dict[str, Value] = {}
    told: dict[str, Value] = {}
    others: dict[str, Value] = {}
    for name, check in checks.items():
        kind = compared_by(name)
        if kind is None:
            continue
        measure, _, quantity = name.partition(".")
        text = wanted.text_for(check)
        with_prompt = check.variable is None and check.value is None
        for other, value in _compared(kind, measure, measured, text).items():
            if other == quantity:
                checked[name] = value
            elif other in _told_with(measure, quantity):
                told[f"{measure}.{other}"] = value
            elif not with_prompt or other in kind.compares_with_prompt:
                others.setdefault(f"{measure}.{other}", value)
    return {**flat(measured), **others, **told, **checked}


@cache
def _told_with(measure: str, quantity: str) -> frozenset[str]:
    """Return the quantities that a reason mentions."""
    parts = Formatter().parse(phrase_of(measure, quantity) or "")
    return frozenset(name for _, name, _, _ in parts if name)


def _compared(kind: type[Measure], measure: str, measured: Measured, text: str) -> Mapping[str, Value]:
    identity = next((identity for identity in measured if identity.partition("@")[0] == measure), "")
    compares = issubclass(kind, ComparingMeasure)  # the others matched by a network, in the job that validates
    own = measured.get(identity if compares else matched_identity(measure_of(identity), text))
    if not own or not text or FAILED_QUANTITY in own:
        return {}
    return kind.compare(own, text) if issubclass(kind, ComparingMeasure) else own
