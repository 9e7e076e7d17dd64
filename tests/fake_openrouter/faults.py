"""How a call fails: status, message, and metadata of each fault."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Fault(NamedTuple):
    """An error response.

    Attributes:
        code: The code in the body, which is the status too unless `status` says otherwise.
        message: In OpenRouter's words, as far as they are known.
        metadata: What the body says besides.
        status: HTTP status, if it is another one than the code.
        headers: Of the response.
    """

    code: int
    message: str
    metadata: dict[str, Any] | None = None
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def body(self) -> dict[str, Any]:
        """Return the JSON of the response."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        return {"error": error if self.metadata is None else {**error, "metadata": self.metadata}, "user_id": "user_1"}


_UPSTREAM = {"error": {"code": "content_policy_violation", "message": "This request violates our usage policies."}}
FAULTS = {
    # ASSUME: the form of these metadata, as third parties report it for chat.
    "moderation": Fault(403, "Your input was flagged", {"reasons": ["violence"], "flagged_input": "knife"}),
    "upstream_refused": Fault(400, "Provider returned error", {"provider_name": "Seed", "raw": json.dumps(_UPSTREAM)}),
    "upstream_rejected": Fault(
        400, "Provider returned error", {"provider_name": "Seed", "raw": '{"error": {"message": "bad width"}}'}
    ),
    "guardrail": Fault(403, "This model is not allowed by the guardrail of your workspace"),
    "credits": Fault(402, "Insufficient credits. Add more at https://openrouter.ai/settings/credits"),
    "rate_limited": Fault(429, "Rate limit exceeded", headers=(("Retry-After", "0.05"),)),
    "internal": Fault(500, "Internal Server Error"),
    "bad_gateway": Fault(502, "Provider returned an invalid response"),
    "no_provider": Fault(503, "No available model provider meets your routing requirements"),
    "edge_timeout": Fault(524, "Edge network timeout"),
    "overloaded": Fault(529, "Provider returned error: overloaded"),
    "too_large": Fault(413, "Request payload too large"),
    "moderation_in_200": Fault(403, "Your input was flagged", {"reasons": ["violence"]}, status=200),
    "credits_in_200": Fault(402, "Insufficient credits", status=200),
    "overloaded_in_200": Fault(529, "Provider returned error: overloaded", status=200),
}
NO_IMAGE = "no_image"  # billed, and without an image
CUT = "cut"  # billed, and no byte is sent
