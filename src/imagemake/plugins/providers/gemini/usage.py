"""Token counts of Gemini in the names that imagemake knows from OpenAI, so that one price table serves both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_TOKENS = 10**12  # a larger count means a broken response


def usage_in(answer: Any) -> dict[str, Any] | None:
    """Return the tokens that a response reports: input and output, by text and image.

    Thoughts are output that is billed at the price of text, also if no thought is returned. Tokens that a tool put into
    the prompt are input.

    Args:
        answer: The parsed response.

    Returns:
        None if it reports none. Counts without a split into text and images have no details.
    """
    told = answer.get("usageMetadata") if isinstance(answer, Mapping) else None
    if not isinstance(told, Mapping):
        return None
    prompt, tools = _count(told, "promptTokenCount"), _count(told, "toolUsePromptTokenCount") or 0
    made, thoughts = _count(told, "candidatesTokenCount"), _count(told, "thoughtsTokenCount") or 0
    usage: dict[str, Any] = {}
    if prompt is not None:
        usage |= _side("input", prompt + tools, _images(told.get("promptTokensDetails"), prompt))
    if made is not None or prompt is not None:  # a count of zero is left out
        usage |= _side("output", (made or 0) + thoughts, _images(told.get("candidatesTokensDetails"), made or 0))
        usage["total_tokens"] = sum(usage.get(f"{side}_tokens", 0) for side in ("input", "output"))
    if thoughts:
        usage["thoughts_tokens"] = thoughts
    return usage or None


def _side(name: str, total: int, images: int | None) -> dict[str, Any]:
    if images is None:
        return {f"{name}_tokens": total}
    details = {"text_tokens": total - images, "image_tokens": images}
    return {f"{name}_tokens": total, f"{name}_tokens_details": details}


def _images(details: Any, total: int) -> int | None:
    """Return how many of some tokens are an image's; None if the response does not say."""
    if total == 0:
        return 0
    if not isinstance(details, list) or not details:
        return None
    by_image = [one for one in details if isinstance(one, Mapping) and one.get("modality") == "IMAGE"]
    images = sum(_count(one, "tokenCount") or 0 for one in by_image)
    return images if images <= total else None


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    value = counts.get(name)
    if isinstance(value, str) and value.isdecimal() and len(value) <= 12:  # as JSON has integers of 64 bits
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS else None
