"""What a call cost, where a server with OpenAI's API tells it: LiteLLM in a header, xAI in the usage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

COST_HEADER = "x-litellm-response-cost"
TICKS = "cost_in_usd_ticks"
TICKS_PER_USD = 10**10  # source: xai-sdk 1.21


def cost_in(headers: Mapping[str, str], usage: Mapping[str, Any] | None) -> float | None:
    """Return the cost in USD; None if the server does not tell one, or tells zero, as LiteLLM may for unknown prices.

    Args:
        headers: By lower-case name.
        usage: As the response reports it.
    """
    try:
        usd = float(headers[COST_HEADER])
    except (KeyError, ValueError):
        ticks = (usage or {}).get(TICKS)
        usd = ticks / TICKS_PER_USD if isinstance(ticks, int) and not isinstance(ticks, bool) else 0.0
    return usd if math.isfinite(usd) and usd > 0 else None
