"""Asking models about images and texts: what is asked and what is answered, as plain data of any server.

An asker is a provider whose recipes say what to ask, and whose "images" are answers as JSON. So its calls are recorded,
paced, paid for, and kept as those for images are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pkgutil import resolve_name
from typing import Any

import orjson

from imagemake.core.text import printable
from imagemake.plugins.providers import ReferenceProvider

ASKERS = {"openai": "imagemake.plugins.asking.openai:OpenAIAsker"}
YES_NO, POINTS = "yes_no", "0-10"
MOST_POINTS = 10
MOST_SAID = 300  # characters of a text that is kept

Answer = dict[str, Any]
"""``{"yes": 0.93}``, ``{"points": 7.5}``, ``{"refused": true}``, or ``{"missing": "why"}``."""


def asker_class(provider: str) -> type[ReferenceProvider]:
    """Load the class that asks the servers of a provider.

    Raises:
        LookupError: If its servers cannot be asked.
    """
    if provider not in ASKERS:
        raise LookupError(f"{provider!r} answers no questions; known are {', '.join(ASKERS)}")
    found: type[ReferenceProvider] = resolve_name(ASKERS[provider])
    return found


def missing(why: str) -> Answer:
    """Return the answer for a question that got none, or an unusable one."""
    return {"missing": printable(why)[:MOST_SAID]}


def yes(probability: object) -> Answer:
    """Return the answer to a yes_no question; a probability that is none counts as missing."""
    found = _number(probability, 1)
    return missing("the probability is no number from 0 to 1") if found is None else {"yes": found}


def points(score: object) -> Answer:
    """Return the answer to a question for points; a number that is none counts as missing."""
    found = _number(score, MOST_POINTS)
    return missing("the points are no number from 0 to 10") if found is None else {"points": found}


def _number(value: object, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value) or not 0 <= value <= most:
        return None
    return round(float(value), 6)


def as_json(body: bytes) -> Any:
    """Parse a response; None if it is not JSON."""
    try:
        return orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError):
        return None


def answers_file(asked: Mapping[str, Any], image: str | None, answers: Sequence[Answer]) -> bytes:
    """Return the content of a file with answers: what was asked, about which image, and what was answered.

    Args:
        asked: The parameters of the recipe.
        image: SHA-256 of the image; None for a text.
        answers: In the order of the questions.
    """
    about = {"image": image} if image else {}
    content = {**about, "asked": dict(asked), "answers": list(answers)}
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
