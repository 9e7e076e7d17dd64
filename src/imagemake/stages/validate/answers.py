"""What models answered about an image: which answers a verdict needs, and what they say.

`answers_of` is for whoever wants to know what a judge saw: reports, reviews, and other attempts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from imagemake.config.asked import Wanted
from imagemake.plugins.asking import MOST_POINTS, POINTS
from imagemake.plugins.measures import Value
from imagemake.plugins.measures.judge import AUTO
from imagemake.plugins.measures.moderation import quantity_of
from imagemake.stages.validate.verdict import FAILED_QUANTITY, UNANSWERED_QUANTITY
from imagemake.store.items import Measured

MOST_FLAGS = 3
_YES, _POINTS, _FAULT, _PARTS = "_yes", "_points", "_fault", "_parts"  # hidden: checks name questions, not these
REFUSED = "the model refused to answer"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question about one image.

    Attributes:
        name: Name of the question; ``auto`` for those that are derived from the prompt.
        question: The question as it was asked.
        scale: ``yes_no``, ``0-10``, or ``auto``.
        good: The good answer to a yes_no question.
        value: The probability of yes, points, or the share of derived questions with a yes; None without an answer.
        fault: Why there is no answer; empty if there is one.
        parts: The derived questions.
    """

    name: str
    question: str
    scale: str
    good: str = "yes"
    value: float | None = None
    fault: str = ""
    parts: tuple[Answer, ...] = ()

    @property
    def doubt(self) -> float:
        """How unsure the answer is: 0 for a sure one, 1 for an undecided one, or none."""
        if self.parts:
            return max(part.doubt for part in self.parts)
        if self.value is None:
            return 1.0
        share = self.value / MOST_POINTS if self.scale == POINTS else self.value
        return 1 - abs(2 * share - 1)

    def in_words(self) -> str:
        """Return the answer for people."""
        if self.value is None:
            return self.fault
        if self.scale == POINTS:
            return f"{self.value:g} of {MOST_POINTS} points"
        if self.scale == AUTO:
            wrong = [part.question for part in self.parts if part.value is None or part.value < 0.5]
            yes = len(self.parts) - len(wrong)
            return f"{yes} of {len(self.parts)} yes{''.join(f'; not: {one}' for one in wrong)}"
        word = "yes" if self.value >= 0.5 else "no"
        return word if self.value in (0, 1) else f"{word} ({self.value:.0%} yes)"


def answers_of(wanted: Sequence[Wanted], measured: Measured) -> list[Answer]:
    """Return the judge's answers about an image that are known, in the order of the questions.

    Args:
        wanted: The questions: `State.questions`, or those of `Asked.wanted`.
        measured: The values that are known of the image, by identity: `State.measured`.
    """
    return [_answer(one, measured[one.identity]) for one in wanted if one.name and one.identity in measured]


def still_to_ask(wanted: Sequence[Wanted], measured: Mapping[str, Any]) -> list[Wanted]:
    """Return the questions without an answer."""
    return [one for one in wanted if one.identity not in measured]


def values_of_answers(wanted: Sequence[Wanted], measured: Measured) -> dict[str, Value]:
    """Return the values of answers by quantity, such as ``judge.color``; those without a value name their fault."""
    found: dict[str, Value] = {}
    for one in wanted:
        if not one.name or one.identity not in measured:
            continue
        answer = _answer(one, measured[one.identity])
        if answer.value is None:
            found[f"{one.quantity}.{UNANSWERED_QUANTITY}"] = f"{_quoted(one)}: {answer.fault}"
        else:
            found[one.quantity] = answer.value
    return found


def words_of_answer(wanted: Sequence[Wanted], measured: Measured, quantity: str) -> str | None:
    """Return what a reason says of the answer with a quantity; None if it is another quantity."""
    one = next((one for one in wanted if one.quantity == quantity), None)
    told = None if one is None else measured.get(one.identity)
    if one is None or told is None:
        return None
    if one.name:
        return f"{_quoted(one)}: {_answer(one, told).in_words()}"
    scores = {name: score for name, score in told.items() if isinstance(score, float) and name != "highest"}
    return flagged_words({"flagged": told.get("flagged"), "scores": scores}) or None


def flagged_words(told: Mapping[str, Any]) -> str:
    """Return why a moderation flags something; empty if it does not.

    Args:
        told: What the asker made of the response.
    """
    if told.get("flagged") is not True:
        return ""
    scores = told.get("scores")
    numbers = [(score, name) for name, score in scores.items()] if isinstance(scores, Mapping) else []
    highest = ", ".join(f"{name} {score:.2f}" for score, name in sorted(numbers, reverse=True)[:MOST_FLAGS])
    return f"flagged by the provider: {highest}" if highest else "flagged by the provider"


def kept_values(scale: str, told: Mapping[str, Any]) -> dict[str, Value]:
    """Return an answer as tables keep it.

    Args:
        scale: Of the question; ``moderation`` for the moderation.
        told: What the asker made of the response. The store's files are not trusted either.
    """
    if scale == "moderation":
        return _kept_moderation(told)
    for name, hidden in (("yes", _YES), ("points", _POINTS)):
        value = told.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {hidden: float(value)}
    return {_FAULT: REFUSED if told.get("refused") else str(told.get("missing", "no answer"))}


def kept_parts(parts: Sequence[tuple[str, Mapping[str, Value]]]) -> dict[str, Value]:
    """Return the answers to derived questions as one value.

    Args:
        parts: Each question with its answer, as `kept_values` returned it.
    """
    return {_PARTS: orjson.dumps([[text, dict(kept)] for text, kept in parts]).decode()}


def kept_fault(why: str) -> dict[str, Value]:
    """Return that there is no answer, and why."""
    return {_FAULT: why}


def _kept_moderation(told: Mapping[str, Any]) -> dict[str, Value]:
    flagged, scores = told.get("flagged"), told.get("scores")
    if not isinstance(flagged, bool) or not isinstance(scores, Mapping):
        return {FAILED_QUANTITY: str(told.get("missing", "no answer"))}
    numbers = {quantity_of(name): float(score) for name, score in scores.items()}
    return {"flagged": flagged, **numbers, "highest": max(numbers.values(), default=0.0)}


def _answer(wanted: Wanted, told: Mapping[str, Any]) -> Answer:
    answer = Answer(wanted.name, wanted.text, wanted.scale, wanted.good)
    parts = tuple(_parts(told)) if wanted.scale == AUTO and _PARTS in told else ()
    if parts:
        share = sum(part.value is not None and part.value >= 0.5 for part in parts) / len(parts)
        return replace(answer, value=round(share, 4), parts=parts)
    value = told.get(_YES, told.get(_POINTS))
    if value is None:
        return replace(answer, fault=str(told.get(_FAULT, "no answer")))
    return replace(answer, value=float(value))


def _parts(told: Mapping[str, Any]) -> Iterator[Answer]:
    for text, kept in orjson.loads(told[_PARTS]):
        yield Answer("", text, "yes_no", value=kept.get(_YES), fault=kept.get(_FAULT, ""))


def _quoted(wanted: Wanted) -> str:
    return "the prompt" if wanted.scale == AUTO else f"'{wanted.text}'"
