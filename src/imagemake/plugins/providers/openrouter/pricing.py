"""Billable lines of an endpoint, as facts about prices and in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from imagemake.plugins.providers.openrouter.amounts import amount

MOST_USD = 1000  # per unit; more means a broken list
_TEXT = re.compile(r"[A-Za-z0-9 .:_/+-]{0,60}")
PER_IMAGE = ("image", "request")
REFERENCES = ("input_reference", "input_image")


class Line(NamedTuple):
    """One billable line.

    Attributes:
        billable: Such as ``output_image``.
        unit: Such as ``image``, ``megapixel``, or ``token``.
        usd: Per unit.
        variant: For which resolution or quality it holds; empty for all.
    """

    billable: str
    unit: str
    usd: Decimal
    variant: str = ""

    def __str__(self) -> str:
        n, unit = (1_000_000, "million tokens") if self.unit == "token" else (1, self.unit)
        usd = f"${(self.usd * n).normalize():f} per {unit}"
        return f"{self.billable.replace('_', ' ')}: {usd}" + (f" ({self.variant})" if self.variant else "")


def line_of(raw: Any) -> Line | None:
    """Read one line; None if it is none."""
    if not isinstance(raw, Mapping):
        return None
    usd = amount(raw.get("cost_usd"), MOST_USD)
    texts = [one for one in (raw.get("billable"), raw.get("unit"), raw.get("variant") or "") if isinstance(one, str)]
    if usd is None or len(texts) < len(Line._fields) - 1 or not all(_TEXT.fullmatch(one) for one in texts):
        return None
    return Line(texts[0], texts[1], Decimal(str(usd)), texts[2])


def price_facts(lines: Iterable[Line], most_references: int | None) -> dict[str, Any]:
    """Return what facts about a model can say of its prices.

    Prices per megapixel, and prices that depend on a variant, have no field: the cost is unknown until calls tell it.
    Where the largest cost per image is certain, it is a fact, so that a budget can be kept.

    Args:
        lines: All billable lines of an endpoint.
        most_references: Most reference images of a request; None if unknown.
    """
    billed = [line for line in lines if line.usd]
    made = [line for line in billed if line.billable == "output_image"]
    sent = [line for line in billed if line.billable != "output_image"]
    if not made:
        return {}
    if all(line.unit == "token" and not line.variant for line in billed):
        return _per_token(billed)
    if any(line.unit not in PER_IMAGE for line in made) or any(
        line.unit not in PER_IMAGE or line.billable not in REFERENCES for line in sent
    ):
        return {}
    if len(made) == 1 and not sent and not made[0].variant:
        return {"prices": {"usd_per_image": _number(made[0].usd)}}
    if sent and most_references is None:
        return {}
    most = max(line.usd for line in made) + sum(line.usd for line in sent) * (most_references or 0)
    return {"max_usd_per_image": _number(most)}


def _per_token(lines: list[Line]) -> dict[str, Any]:
    per_million = {line.billable: line.usd * 1_000_000 for line in lines}
    text = per_million.get("input_text", Decimal(0))
    image = max((per_million[name] for name in REFERENCES if name in per_million), default=text)
    prices = {"text_in": _number(text), "image_in": _number(image), "image_out": _number(per_million["output_image"])}
    return {"prices": {"usd_per_million_tokens": prices}}


def _number(usd: Decimal) -> int | float:
    return int(usd) if usd == usd.to_integral_value() else float(usd)
