"""The stand-in without HTTP: from a parsed request to the body of its response, or to an error."""

from __future__ import annotations

import asyncio
import base64
import re
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from fake_openai import errors
from fake_openai.chance import Rulebook, digest, fraction, latency_s
from fake_openai.inpainting import inpainted
from fake_openai.limits import Limiter
from fake_openai.models import cost_usd
from fake_openai.products import product
from fake_openai.record import Call, Record
from fake_openai.settings import Behavior, Rule, Settings, Signer
from fake_openai.studio import Spec, Studio
from fake_openai.validate import ImageRequest

CUTS = (Behavior.CUT_BEFORE_ANSWER, Behavior.CUT_MIDWAY)
NEEDS_A_CONNECTION = (*CUTS, Behavior.SLOW_BODY, Behavior.NOT_JSON, Behavior.RATE_LIMITED, Behavior.OVERLOADED)
NOT_JSON_BODY = b"<html><body><h1>200 OK</h1>nginx</body></html>"


@dataclass(frozen=True, slots=True)
class ImageResponse:
    """The body of a response.

    Attributes:
        body: Bytes of the body.
        rule: Rule that decides how it is sent.
        content_type: MIME type.
    """

    body: bytes
    rule: Rule | None = None
    content_type: str = "application/json"


class Stand:
    """All state of the server.

    Args:
        settings: Settings; they can be changed.
        record: File for the record of calls; None for memory only.
    """

    def __init__(self, settings: Settings, record: Path | None) -> None:
        self.record = Record(record)
        self.studio = Studio(settings.pool_size)
        self.images: dict[str, bytes] = {}  # that are sent as URLs, in base64 by name
        self.apply(settings)
        for wanted in settings.prepare:
            size, _, output_format = wanted.partition(":")
            width, height = map(int, size.split("x"))
            self.studio.prepare(Spec(width, height, output_format))

    def apply(self, settings: Settings) -> None:
        """Apply settings: refill buckets, and reset the counts of rules."""
        self.settings = settings
        self.limiter = Limiter(settings.limits, time.monotonic())
        self.rulebook = Rulebook(settings.rules, settings.seed)
        self.downloads_cut = 0

    def check_key(self, authorization: str | None) -> None:
        """Check the header.

        Raises:
            ApiError: 401, if the key is missing or not accepted.
        """
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise errors.no_key()
        if self.settings.api_keys and key.strip() not in self.settings.api_keys:
            raise errors.wrong_key(key.strip())

    def check_organization(self, request: ImageRequest) -> None:
        """Check whether the organization may use the model.

        Raises:
            ApiError: 403, if it is not verified.
        """
        if self.settings.unverified:
            raise errors.unverified(request.model.name)

    def admit(self, call: Call, request: ImageRequest) -> None:
        """Apply the rate limits to a call.

        Raises:
            ApiError: 429, if a limit is used up.
        """
        units = {"requests": 1, "input-images": request.n, "tokens": request.usage["total_tokens"]}
        self.limiter.admit(request.model.name, units, time.monotonic())
        call.admitted = True

    async def answer(self, call: Call, request: ImageRequest) -> ImageResponse:
        """Create the response to an admitted call: wait, draw, and bill, or apply its rule.

        Raises:
            ApiError: If a rule requires it.
        """
        rule = self.rulebook.choose(request.prompt)
        if call.batch_id is not None and rule is not None and rule.behavior in NEEDS_A_CONNECTION:
            rule = None
        if rule is not None:
            call.behavior = rule.behavior
            self._refuse_at_once(rule, call)
        if call.batch_id is None:
            await asyncio.sleep(latency_s(self.settings, rule, request.fingerprint, call.occurrence))
        if rule is not None:
            self._fail_late(rule, call, request)
        self._bill(call, request, rule)
        if rule is not None and rule.behavior is Behavior.NOT_JSON:
            return ImageResponse(NOT_JSON_BODY, rule, "text/html")
        if request.partial_images is not None:
            return ImageResponse(b"", rule)  # a stream is drawn while it is being sent
        return ImageResponse(self._body(call, request, rule), rule)

    def _refuse_at_once(self, rule: Rule, call: Call) -> None:
        match rule.behavior:
            case Behavior.RATE_LIMITED:
                message = f"Rate limit reached for {call.model} in organization org-stand-in on requests per min (RPM)."
                raise errors.rate_limited(message, "requests", rule.retry_after_s, rule.retry_hint)
            case Behavior.INSUFFICIENT_QUOTA:
                raise errors.insufficient_quota()
            case Behavior.BILLING_LIMIT:
                raise errors.billing_limit()
            case Behavior.MODERATION if rule.stage == "input":
                raise errors.moderation_blocked(call.request_id, rule.stage, rule.categories)

    def _fail_late(self, rule: Rule, call: Call, request: ImageRequest) -> None:
        failure: errors.ApiError | None = None
        match rule.behavior:
            case Behavior.MODERATION:
                failure = errors.moderation_blocked(call.request_id, rule.stage, rule.categories)
            case Behavior.SERVER_ERROR:
                failure = errors.server_error(rule.status, call.request_id)
            case Behavior.OVERLOADED:
                failure = errors.overloaded(rule.retry_after_s, rule.retry_hint)
        if failure is None:
            return
        if rule.billed:
            self._bill(call, request, rule)
        raise failure

    def _bill(self, call: Call, request: ImageRequest, rule: Rule | None) -> None:
        call.images = request.n
        call.usage = request.usage
        call.billed = rule is None or rule.billed is not False
        if call.billed:
            call.cost_usd = cost_usd(request.model, request.usage, in_batch=call.batch_id is not None)

    def _body(self, call: Call, request: ImageRequest, rule: Rule | None) -> bytes:
        # Images are megabytes of base64, which is valid in JSON, so they skip the encoder.
        data = b""
        if rule is None or rule.behavior is not Behavior.NO_IMAGES:
            images = (self.image(call, request, rule, index) for index in range(request.n))
            data = b",".join(map(self._entry, images))
        fields = orjson.dumps({"created": int(time.time()), **described(request), "usage": request.usage})
        return fields[:-1] + b',"data":[' + data + b"]}"

    def _entry(self, image: bytes) -> bytes:
        if self.settings.url_status is None:
            return b'{"b64_json":"' + image + b'"}'
        name = uuid.uuid4().hex
        self.images[name] = image
        return orjson.dumps({"url": f"/out/{name}"})

    def image(self, call: Call, request: ImageRequest, rule: Rule | None, index: int) -> bytes:
        """Draw an image of a call.

        Args:
            call: Its fingerprint and how often it came decide the pixels, its request id makes the file unique.
            request: What it has to be.
            rule: Can ask for a special image.
            index: 0 for the first of the call.

        Returns:
            The file in base64.
        """
        spec = Spec(
            request.width_px, request.height_px, request.output_format, request.compression, request.transparent
        )
        identity = digest("image", request.fingerprint, call.occurrence, index)
        comment = f"{call.request_id}-{index}{_told(self.planted(request, call.occurrence))}"
        if rule is None and request.painted_on is not None:
            painted = inpainted(*request.painted_on, spec, comment)
            if painted is not None:
                return painted
        if rule is None and self.settings.drawing == "products":
            return product(request.prompt, spec, identity, comment)
        if rule is None:
            image = b"".join(self.studio.image(spec, identity, comment))
            return image if self.settings.signer is None else self._signed(image, spec, self.settings.signer)
        return b"".join(self.studio.special_image(rule.behavior, spec, identity, comment, rule.size))

    def planted(self, request: ImageRequest, occurrence: int) -> list[str]:
        """Return the defects of the image of a call, by its settings' shares."""
        settings = self.settings
        drawn = (settings.seed, request.fingerprint, occurrence)
        shares, mended_share = settings.defects, settings.mended_share
        if request.tags is not None and settings.repaired_share is not None:
            shares, mended_share = dict.fromkeys(sorted(request.tags), 1.0), settings.repaired_share

        def is_mended(tag: str) -> bool:
            mends = settings.mends.get(tag)
            return bool(mends and re.search(mends, request.prompt)) and fraction("mend", tag, *drawn) < mended_share

        drawn_ones = [tag for tag, share in shares.items() if fraction(tag, "defect", *drawn) < share]
        return [tag for tag in drawn_ones if not is_mended(tag)]

    @staticmethod
    def _signed(image: bytes, spec: Spec, signer: Signer) -> bytes:
        from content_credentials import signed_by_provider

        mime = f"image/{spec.output_format}"
        return base64.b64encode(signed_by_provider(base64.b64decode(image), mime, signer.chain, signer.key))


def _told(tags: list[str]) -> str:
    return f" tags={','.join(tags)}" if tags else ""


def described(request: ImageRequest) -> dict[str, Any]:
    """Return the fields of a response that describe what was drawn."""
    fields = {
        "background": "transparent" if request.transparent else "opaque",
        "output_format": request.output_format,
        "quality": request.quality,
        "size": f"{request.width_px}x{request.height_px}",
    }
    if request.safety_identifier:
        fields["safety_identifier"] = request.safety_identifier
    return fields
