"""The API's rate limits: token buckets.

A bucket holds a minute's worth and refills evenly. The API's own messages show it: "Limit 5, Used 5 ... try again in
12s", "Limit 250, Used 250 ... in 240ms", "Limit 4000, Used 4000 ... in 15ms" are each a minute through the limit.
A refused call takes nothing from a bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fake_openai import errors
from fake_openai.settings import Limits

# Name in headers and in the error's type; name in the message.
WORDS = {"requests": "requests per min (RPM)", "input-images": "input-images per min", "tokens": "tokens per min (TPM)"}


@dataclass(slots=True)
class Bucket:
    """A token bucket. Times are seconds of a monotonic clock."""

    capacity: int
    minute_s: float
    level: float
    filled_at_s: float

    def refill(self, now_s: float) -> None:
        """Add the units for the time since the last call."""
        gained = (now_s - self.filled_at_s) * self.capacity / self.minute_s
        self.level = min(self.capacity, self.level + gained)
        self.filled_at_s = now_s

    def wait_s(self, units: float) -> float:
        """Return the time until this many units are available, in seconds."""
        # Rounding errors must not cause a wait of nanoseconds.
        return max(0.0, (units - self.level) * self.minute_s / self.capacity - 1e-6)


class Limiter:
    """All limits together: a call needs units from every bucket.

    Args:
        limits: The limits.
        now_s: Seconds of a steady clock; the buckets are full then.
    """

    def __init__(self, limits: Limits, now_s: float) -> None:
        wanted = {
            "requests": limits.requests_per_min,
            "input-images": limits.images_per_min,
            "tokens": limits.tokens_per_min,
        }
        self._hint = limits.retry_hint
        self._tells = limits.headers
        self._buckets = {
            name: Bucket(limit, limits.minute_s, limit, now_s) for name, limit in wanted.items() if limit is not None
        }

    def admit(self, model: str, units: Mapping[str, int], now_s: float) -> None:
        """Take a call's units from the buckets.

        Args:
            model: Named by the error.
            units: For `requests`, `input-images` and `tokens`.
            now_s: Seconds of the same clock.

        Raises:
            ApiError: If a bucket does not have enough units: 429, for the bucket with the longest wait.
        """
        for bucket in self._buckets.values():
            bucket.refill(now_s)
        waits = {name: bucket.wait_s(units[name]) for name, bucket in self._buckets.items()}
        slowest = max(waits, key=lambda name: waits[name], default=None)
        if slowest is not None and waits[slowest] > 0:
            raise self._refusal(model, slowest, units[slowest], waits[slowest])
        for name, bucket in self._buckets.items():
            bucket.level -= units[name]

    def headers(self, now_s: float) -> dict[str, str]:
        """Return the `x-ratelimit-*` headers of the limits that are set."""
        headers: dict[str, str] = {}
        if not self._tells:
            return headers
        for name, bucket in self._buckets.items():
            bucket.refill(now_s)
            headers[f"x-ratelimit-limit-{name}"] = str(bucket.capacity)
            headers[f"x-ratelimit-remaining-{name}"] = str(max(0, int(bucket.level)))
            headers[f"x-ratelimit-reset-{name}"] = duration(bucket.wait_s(bucket.capacity))
        return headers

    def _refusal(self, model: str, name: str, requested: int, wait_s: float) -> errors.ApiError:
        bucket = self._buckets[name]
        start = f"Rate limit reached for {model} (for limit gpt-image) in organization org-stand-in on {WORDS[name]}: "
        if requested > bucket.capacity:
            # Waiting does not help: the call is too large.
            return errors.rate_limited(f"{start}Limit {bucket.capacity}, Requested {requested}.", name, None, "none")
        used = bucket.capacity - int(bucket.level)
        message = (
            f"{start}Limit {bucket.capacity}, Used {used}, Requested {requested}. Please try again in "
            f"{duration(wait_s)}. Visit https://platform.openai.com/account/rate-limits to learn more."
        )
        return errors.rate_limited(message, name, wait_s, self._hint)


def duration(seconds: float) -> str:
    """Format a time as the API does: `15ms`, `2.4s`, `1m12s`; rounded up to milliseconds."""
    ms = -int(-seconds * 1000 // 1)
    if ms < 1000:
        return f"{ms}ms"
    minutes, ms = divmod(ms, 60_000)
    rest = f"{ms / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
