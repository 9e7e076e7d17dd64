"""What a call cost, as the response says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagemake.plugins.providers.openrouter.amounts import amount

MOST_USD = 1000.0  # more for one call means a broken response


def cost_usd(usage: Any) -> float | None:
    """Return what a call cost in USD; None if the response does not say.

    With a key of your own at the upstream provider (``is_byok``), ``cost`` is OpenRouter's fee, and the provider's bill
    comes on top.
    """
    if not isinstance(usage, Mapping):
        return None
    cost = amount(usage.get("cost"), MOST_USD)
    details = usage.get("cost_details")
    if cost is None or usage.get("is_byok") is not True or not isinstance(details, Mapping):
        return cost
    return cost + (amount(details.get("upstream_inference_cost"), MOST_USD) or 0.0)
