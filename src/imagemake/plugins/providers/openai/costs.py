"""What a call cost, where a server with OpenAI's API tells it: LiteLLM does, in a header."""

from __future__ import annotations

import math
from collections.abc import Mapping

COST_HEADER = "x-litellm-response-cost"


def cost_in(headers: Mapping[str, str]) -> float | None:
    """Return the cost in USD; None if the server does not tell one, or tells zero, as LiteLLM may for unknown prices.

    Args:
        headers: By lower-case name.
    """
    try:
        usd = float(headers[COST_HEADER])
    except (KeyError, ValueError):
        return None
    return usd if math.isfinite(usd) and usd > 0 else None
