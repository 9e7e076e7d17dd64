"""Makes the responses to requests: images, reasons why there is none, and errors."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from fake_gemini.record import IMAGE_TOKENS, REFERENCE_TOKENS, Call, Record
from fake_gemini.requests import ApiError, invalid
from fake_gemini.settings import Behavior, Settings

TYPE = "type.googleapis.com/google.rpc"
NO_IMAGE = {
    Behavior.IMAGE_SAFETY: "IMAGE_SAFETY",
    Behavior.NO_IMAGE: "NO_IMAGE",
    Behavior.IMAGE_OTHER: "IMAGE_OTHER",
    Behavior.EMPTY_CONTENT: "STOP",
}
RATING = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}


@dataclass(slots=True)
class Studio:
    """Answers requests.

    Attributes:
        settings: What happens; may be replaced at any time.
        record: Takes every call.
    """

    settings: Settings
    record: Record

    async def answer(self, call: Call) -> dict[str, Any]:
        """Return the response to a request, and bill it.

        Raises:
            ApiError: If it ends in an error.
        """
        self.record.calls.append(call)
        call.behavior = self._behavior(call.prompt)
        self._raise_error(Behavior(call.behavior))
        await asyncio.sleep(self.settings.latency_s)
        behavior = Behavior(call.behavior)
        text_in, image_in = len(call.prompt.split()) + 4, REFERENCE_TOKENS * len(call.references)
        usage = _usage(text_in, image_in)
        if behavior is Behavior.BLOCKED_PROMPT:
            call.bill(text_in, image_in, 0, 0)
            feedback = {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": [RATING]}
            return {"promptFeedback": feedback, "usageMetadata": usage, **_ids(call)}
        thoughts = self.settings.thoughts_tokens
        if behavior in NO_IMAGE:
            call.bill(text_in, image_in, thoughts, 0)
            usage |= {"thoughtsTokenCount": thoughts, "totalTokenCount": text_in + image_in + thoughts}
            return {"candidates": [_without_image(behavior)], "usageMetadata": usage, **_ids(call)}
        n, tokens = (2 if behavior is Behavior.TWO_IMAGES else 1), IMAGE_TOKENS[call.model][_tier(call)]
        call.bill(text_in, image_in, thoughts, n * tokens)
        usage |= {
            "candidatesTokenCount": n * tokens,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": n * tokens}],
            "thoughtsTokenCount": thoughts,
            "totalTokenCount": text_in + image_in + n * tokens + thoughts,
        }
        images = [self._image(call, number, broken=behavior is Behavior.BAD_BASE64) for number in range(n)]
        content = {"role": "model", "parts": images}
        candidate = {"content": content, "finishReason": "STOP", "index": 0}
        return {"candidates": [candidate], "usageMetadata": usage, **_ids(call)}

    def _behavior(self, prompt: str) -> Behavior:
        for number, rule in enumerate(self.settings.rules):
            if rule.matches(prompt) and (rule.first is None or self.record.seen[number, prompt] < rule.first):
                self.record.seen[number, prompt] += 1
                return rule.behavior
        return Behavior.NORMAL

    def _raise_error(self, behavior: Behavior) -> None:
        if behavior is Behavior.RATE_LIMITED:
            raise _exhausted("GenerateRequestsPerMinutePerProjectPerModel", self.settings.retry_delay_s)
        if behavior is Behavior.DAILY_QUOTA:
            raise _exhausted("GenerateRequestsPerDayPerProjectPerModel", 40_000)
        if behavior is Behavior.INTERNAL:
            raise ApiError(500, "INTERNAL", "An internal error has occurred. Please retry or report.")
        if behavior is Behavior.OVERLOADED:
            raise ApiError(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
        if behavior is Behavior.DEADLINE:
            raise ApiError(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete.")
        if behavior is Behavior.BAD_IMAGE:
            raise invalid("Unable to process input image. Please retry or report.")

    def _image(self, call: Call, number: int, *, broken: bool) -> dict[str, Any]:
        data = base64.b64encode(draw(call, number, self.settings.image_edge_px)).decode()
        return {"inlineData": {"mimeType": "image/png", "data": f"{data[:80]}*{data[81:]}" if broken else data}}


def draw(call: Call, number: int, edge_px: int) -> bytes:
    """Draw a PNG that depends on the request only."""
    ratio = str(call.image_config.get("aspectRatio", "1:1"))
    width, height = (int(edge) for edge in ratio.split(":"))
    size = (edge_px * width // max(width, height), edge_px * height // max(width, height))
    seed = hashlib.sha256(repr((call.prompt, call.seed, call.references, number)).encode()).digest()
    rough = np.random.default_rng(list(seed)).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(rough).resize(size, Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


def _tier(call: Call) -> str:
    return str(call.image_config.get("imageSize", "1K"))


def _usage(text_in: int, image_in: int) -> dict[str, Any]:
    details = [{"modality": "TEXT", "tokenCount": text_in}]
    if image_in:
        details.append({"modality": "IMAGE", "tokenCount": image_in})
    total = text_in + image_in
    return {"promptTokenCount": total, "promptTokensDetails": details, "totalTokenCount": total}


def _ids(call: Call) -> dict[str, str]:
    return {"modelVersion": f"{call.model}-001", "responseId": uuid.uuid4().hex[:22]}


def _without_image(behavior: Behavior) -> dict[str, Any]:
    candidate: dict[str, Any] = {"finishReason": NO_IMAGE[behavior], "index": 0}
    if behavior is Behavior.IMAGE_SAFETY:
        return {**candidate, "finishMessage": "Unable to show the generated image.", "safetyRatings": [RATING]}
    if behavior is Behavior.NO_IMAGE:
        return {**candidate, "content": {"role": "model", "parts": [{"text": "What color should the mug be?"}]}}
    if behavior is Behavior.EMPTY_CONTENT:
        return {**candidate, "content": {"role": "model"}}
    return candidate


def _exhausted(quota: str, delay_s: float) -> ApiError:
    metric = "generativelanguage.googleapis.com/generate_requests"
    message = f"You exceeded your current quota. * Quota exceeded for metric: {metric}. Please retry in {delay_s}s."
    violation = {"quotaMetric": metric, "quotaId": quota, "quotaValue": "10"}
    details = [
        {"@type": f"{TYPE}.QuotaFailure", "violations": [violation]},
        {"@type": f"{TYPE}.RetryInfo", "retryDelay": f"{delay_s}s"},
    ]
    return ApiError(429, "RESOURCE_EXHAUSTED", message, details)
