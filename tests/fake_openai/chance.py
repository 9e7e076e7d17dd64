"""Pseudo-random decisions that depend on the call only, not on the order of calls."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

import orjson

from fake_openai.settings import Rule, Settings


def digest(*parts: object) -> bytes:
    """Return 32 bytes that depend only on these plain values."""
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()


def fraction(*parts: object) -> float:
    """Return a number in [0, 1) that depends on nothing but these plain values."""
    return int.from_bytes(digest(*parts)[:6], "big") / 2**48


def latency_s(settings: Settings, rule: Rule | None, fingerprint: str, occurrence: int) -> float:
    """Return the time from a call's arrival to its response, in seconds."""
    if rule is not None and rule.latency_s is not None:
        return rule.latency_s
    if isinstance(settings.latency_s, tuple):
        low, high = settings.latency_s
        return low + (high - low) * fraction("latency", settings.seed, fingerprint, occurrence)
    return settings.latency_s


class Rulebook:
    """Picks the rule for each call, and counts the uses of each rule.

    Args:
        rules: The first that applies decides.
        seed: Seed that decides which calls a rule with a share applies to, by prompt and its number of occurrences.
    """

    def __init__(self, rules: tuple[Rule, ...], seed: int) -> None:
        self._rules = [(rule, re.compile(rule.prompt)) for rule in rules]
        self._seed = seed
        self._used: Counter[int] = Counter()
        self._used_by_prompt: Counter[tuple[int, str]] = Counter()
        self._seen_by_prompt: Counter[tuple[int, str]] = Counter()

    def choose(self, prompt: str) -> Rule | None:
        """Return the rule for the next call with this prompt, and count it as used."""
        for index, (rule, pattern) in enumerate(self._rules):
            if not pattern.search(prompt):
                continue
            if rule.at_most is not None and self._used[index] >= rule.at_most:
                continue
            if rule.first is not None and self._used_by_prompt[index, prompt] >= rule.first:
                continue
            self._seen_by_prompt[index, prompt] += 1
            seen = self._seen_by_prompt[index, prompt]
            if rule.share < 1 and fraction("rule", self._seed, index, prompt, seen) >= rule.share:
                continue
            self._used[index] += 1
            self._used_by_prompt[index, prompt] += 1
            return rule
        return None
