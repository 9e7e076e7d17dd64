"""Settings of the stand-in, for tests, benchmarks, and users, at the start or while it runs."""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Behavior(StrEnum):
    """What a rule does to a call. A call without a rule gets its images."""

    NORMAL = "normal"  # its images; for a rule that only changes the latency
    # A billed response with a special image.
    BLANK = "blank"  # one color, nothing else
    LOW_CONTRAST = "low_contrast"  # 6 gray levels around the middle
    WRONG_SIZE = "wrong_size"  # `size`, or half of the requested edges
    WRONG_FORMAT = "wrong_format"  # a JPEG if a PNG was requested, else a PNG
    TRUNCATED = "truncated"  # the file's first 60 %
    GARBAGE = "garbage"  # bytes that are not an image
    EMPTY = "empty"  # no bytes at all
    BOMB = "bomb"  # a PNG of 200 KB that says it is 40,000 x 40,000
    SAME = "same"  # always the same pixels, in a file that differs
    # A billed response without an image.
    NO_IMAGES = "no_images"  # 200, with an empty list
    NOT_JSON = "not_json"  # 200, with a page of HTML
    # An error.
    RATE_LIMITED = "rate_limited"  # 429 at once, `retry_hint`, `retry_after_s`
    INSUFFICIENT_QUOTA = "insufficient_quota"  # 429 at once
    BILLING_LIMIT = "billing_limit"  # 400 at once
    MODERATION = "moderation"  # 400; at once for the stage input, after the latency for output; `categories`
    SERVER_ERROR = "server_error"  # `status` after the latency
    OVERLOADED = "overloaded"  # 503 after the latency, `retry_hint`, `retry_after_s`
    # A faulty connection.
    CUT_BEFORE_ANSWER = "cut_before_answer"  # the image is generated, but no byte is sent
    CUT_MIDWAY = "cut_midway"  # half of the answer is sent
    SLOW_BODY = "slow_body"  # the answer trickles at `bytes_per_s`


SIZE_PATTERN = r"^[1-9]\d{0,3}x[1-9]\d{0,3}$"
RetryHint = Literal["none", "retry-after", "retry-after-ms", "both"]
Seconds = Annotated[float, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rule(_Strict):
    """What happens to calls whose prompt matches. The first applicable rule decides."""

    behavior: Behavior
    prompt: str = Field("", description="Regular expression, searched in the prompt; empty: every prompt.")
    first: int | None = Field(None, ge=1, description="Only the first N matching calls of each distinct prompt.")
    at_most: int | None = Field(None, ge=1, description="Only N calls over all prompts.")
    share: float = Field(1.0, gt=0, le=1, description="Share of the matching calls, drawn with the settings' seed.")
    latency_s: Seconds | None = Field(None, description="Instead of the settings' latency, in seconds.")
    billed: bool | None = Field(None, description="Whether it costs; None: images and cut connections do.")
    status: int = Field(500, ge=400, le=599, description="HTTP status of server_error: 500, 408, 409, 502, 504, ...")
    retry_hint: RetryHint = Field("retry-after", description="Headers of rate_limited and overloaded.")
    retry_after_s: Seconds = Field(1.0, description="Value of these headers, in seconds.")
    size: str | None = Field(None, pattern=SIZE_PATTERN, description="Size of wrong_size, WIDTHxHEIGHT in pixels.")
    bytes_per_s: int = Field(20_000, ge=1, description="Speed of slow_body, in bytes per second.")
    stage: Literal["input", "output"] = Field("input", description="moderation_stage of moderation.")
    categories: tuple[str, ...] = Field(("violence",), description="categories of moderation.")

    @model_validator(mode="after")
    def _compiles(self) -> Rule:
        try:
            re.compile(self.prompt)
        except re.error as error:
            raise ValueError(f"prompt {self.prompt!r} is no regular expression: {error}") from error
        return self


class Limits(_Strict):
    """Rate limits: token buckets that hold a minute's worth and refill evenly, as the API's own messages show."""

    images_per_min: int | None = Field(None, ge=1, description="Images per minute (input-images); None: no limit.")
    requests_per_min: int | None = Field(None, ge=1, description="Calls per minute; None: no limit.")
    tokens_per_min: int | None = Field(None, ge=1, description="Tokens per minute, input and output; None: no limit.")
    minute_s: float = Field(60.0, gt=0, description="Length of these minutes in seconds; shorter for quick tests.")
    retry_hint: RetryHint = Field("both", description="Headers of a 429 by these limits.")
    headers: bool = Field(True, description="Send limits and remaining units in x-ratelimit-* headers.")


class BatchSettings(_Strict):
    """How batches are processed."""

    duration_s: Seconds = Field(1.0, description="From the end of validation to the last line, in seconds.")
    works_on: int | None = Field(
        None, ge=0, description="Lines to process; others wait until this changes or their batch ends. None: all."
    )
    expires_after_s: Seconds = Field(86_400.0, description="From creation to expiry, in seconds.")
    page_size: int = Field(100, ge=1, le=100, description="Most batches on a page of the list, whatever is asked for.")
    list_lag_s: Seconds = Field(
        0.0, description="From a batch's creation to its first showing in the list, in seconds."
    )
    cut_downloads: int = Field(0, ge=0, description="Number of file downloads that are cut in the middle.")
    most_enqueued: int | None = Field(None, ge=1, description="Requests in all batches at once; a batch over it fails.")
    invalid_prompt: str | None = Field(
        None, description="Regular expression; a file with such a line fails as a whole."
    )
    tells_cancelled: bool = Field(True, description="Give cancelled lines a specific error.")


class Sight(_Strict):
    """What the stand-in for a judge sees: the tags that it planted."""

    question: str = Field(description="Regular expression, searched in the question without case.")
    tag: str = Field(description="Tag in the image's metadata.")
    yes_if_present: bool = Field(False, description="Whether yes means that the tag is there.")


class JudgeSettings(_Strict):
    """How the stand-in answers about images and texts."""

    sees: tuple[Sight, ...] = Field((), description="The first that fits a question decides; without one: yes.")
    sure: float = Field(0.95, ge=0.5, le=1, description="Probability of what it says.")
    wrong_share: float = Field(0.0, ge=0, le=1, description="Share of questions that it answers wrongly.")
    refused_share: float = Field(0.0, ge=0, le=1, description="Share of questions that it refuses.")
    missing_share: float = Field(0.0, ge=0, le=1, description="Share of questions that it leaves out.")
    garbage_share: float = Field(0.0, ge=0, le=1, description="Share of responses that are `garbage`.")
    garbage: str = Field("", description="Body of such a response; empty: a page of HTML.")
    cut_share: float = Field(0.0, ge=0, le=1, description="Share of responses that are never sent.")
    fail_first: int = Field(0, ge=0, description="The first N calls of each endpoint fail.")
    fail_status: int = Field(503, ge=400, le=599, description="HTTP status of these.")
    blocked: bool = Field(False, description="Refuse whole requests, as moderation does.")
    rewrite: str | None = Field(
        "{prompt} Exactly as described.",
        description="What a rewritten prompt is, with the `prompt` that was sent; null: a refusal.",
    )
    flagged: str = Field("", description="Regular expression of texts that the moderation flags; empty: none.")


class Signer(_Strict):
    """Who signs each image with content credentials, as the API's own images are."""

    chain: str = Field(description="The signer's certificate and those of its issuers, PEM.")
    key: str = Field(description="The signer's private key, PEM, on P-256.")


class Settings(_Strict):
    """All settings. `POST /_settings` accepts any part of them as JSON."""

    latency_s: Seconds | tuple[Seconds, Seconds] = Field(
        0.0, description="From arrival to answer, in seconds: fixed, or the ends of a range that is drawn from."
    )
    seed: int = Field(0, description="Seed of latencies and of rules with a share.")
    limits: Limits = Limits()
    rules: tuple[Rule, ...] = Field((), description="The first rule that applies to a call decides.")
    batches: BatchSettings = BatchSettings()
    judge: JudgeSettings = JudgeSettings()
    defects: dict[str, float] = Field(
        {}, description="Tags to plant in the metadata of images, with the share of images that get each."
    )
    mends: dict[str, str] = Field({}, description="By tag: regular expression of prompts that prevent the defect.")
    mended_share: float = Field(1.0, ge=0, le=1, description="Share of the images for which such a prompt does.")
    repaired_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Edits keep the first image's tags and get no others; of those that `mends` has for the prompt, "
        "this share goes. None: edits get tags as other images do.",
    )
    signer: Signer | None = Field(None, description="Signer of ordinary images; None: they are not signed.")
    url_status: int | None = Field(
        None, description="Send images as relative URLs that answer with this HTTP status; None: send base64."
    )
    api_keys: tuple[str, ...] = Field((), description="Accepted keys; empty: every key.")
    deployments: dict[str, str] = Field({}, description="Azure: the model of each deployment, by its name.")
    unverified: bool = Field(False, description="Answer 403, as to an organization that is not verified.")
    any_size: bool = Field(False, description="Accept any size, even 64x64, which the API refuses.")
    today: date = Field(date(2026, 11, 23), description="Decides which models are shut down; never the clock.")
    retired_status: Literal[400, 404] = Field(400, description="HTTP status for a model that is shut down.")
    drawing: Literal["patterns", "products"] = Field(
        "patterns", description="patterns: fast, alike in nothing; products: what the prompt says, as preview draws it."
    )
    pool_size: int = Field(256, ge=16, le=4096, description="Bands to choose from; an image is a stack of eight.")
    prepare: tuple[Annotated[str, Field(pattern=f"{SIZE_PATTERN[:-1]}:(png|jpeg)$")], ...] = Field(
        (), description="Images to draw before the server says that it is ready, such as 1024x1024:png."
    )

    @model_validator(mode="after")
    def _range_is_ordered(self) -> Settings:
        if isinstance(self.latency_s, tuple) and self.latency_s[0] > self.latency_s[1]:
            raise ValueError(f"latency_s {self.latency_s} ends before it starts")
        return self

    def changed(self, changes: dict[str, Any]) -> Settings:
        """Return these settings with some of them replaced.

        Raises:
            pydantic.ValidationError: If a name or a value is not allowed.
        """
        return Settings.model_validate({**dict(self), **changes})
