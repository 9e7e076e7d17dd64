"""What the stand-in does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Behavior(StrEnum):
    """What a rule does to a call. A call without a rule gets its image."""

    NORMAL = "normal"
    # An error, which costs nothing.
    RATE_LIMITED = "rate_limited"  # 429 with RetryInfo
    DAILY_QUOTA = "daily_quota"  # 429 for a quota per day
    INTERNAL = "internal"  # 500
    OVERLOADED = "overloaded"  # 503
    DEADLINE = "deadline"  # 504
    BAD_IMAGE = "bad_image"  # 400: a reference image cannot be read
    # A response without an image; the prompt is billed.
    BLOCKED_PROMPT = "blocked_prompt"  # promptFeedback, no candidate
    IMAGE_SAFETY = "image_safety"
    NO_IMAGE = "no_image"  # the model answers in words
    IMAGE_OTHER = "image_other"
    EMPTY_CONTENT = "empty_content"  # finished, with a content of nothing
    # A response that is billed like one with an image.
    BAD_BASE64 = "bad_base64"
    HTML = "html"
    TWO_IMAGES = "two_images"
    # A faulty connection.
    CUT = "cut"  # the image is made and billed, and no byte is sent
    REDIRECT = "redirect"  # 307 to another server


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to calls whose prompt matches. The first applicable rule decides.

    Attributes:
        behavior: What happens.
        prompt: Regular expression, searched in the prompt.
        first: Only the first calls of each prompt; None for all.
    """

    behavior: Behavior
    prompt: str = ""
    first: int | None = None

    def matches(self, prompt: str) -> bool:
        """Return whether a prompt matches."""
        return re.search(self.prompt, prompt) is not None


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the stand-in.

    Attributes:
        rules: What happens to which calls.
        latency_s: Time for one image.
        thoughts_tokens: Tokens that the model thinks per image.
        retry_delay_s: What a 429 asks to wait.
        batch_s: How long a batch takes.
        batch_end: The state in which it ends. Of a batch that partially succeeds, every second line has a result.
        list_lag_s: How long a new batch is missing in the list.
        echoes_input: Whether a batch's state names the file with its requests.
        page_size: Most batches on a page of the list.
        image_edge_px: Longest edge of the images; the real ones are large.
        other_server: Where redirects lead.
    """

    rules: tuple[Rule, ...] = ()
    latency_s: float = 0.0
    thoughts_tokens: int = 300
    retry_delay_s: float = 0.1
    batch_s: float = 0.2
    batch_end: str = "SUCCEEDED"
    list_lag_s: float = 0.0
    echoes_input: bool = True
    page_size: int = 2
    image_edge_px: int = 96
    other_server: str = "http://127.0.0.1:9"
