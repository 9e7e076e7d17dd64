"""OpenAI's Decisions API: many questions about one image in one call, each answered with probabilities."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imagemake.core.recipe import Recipe
from imagemake.plugins.asking import MOST_POINTS, YES_NO, Answer, missing, points, yes
from imagemake.plugins.asking.sent_image import data_url

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._legacy_response import LegacyAPIResponse

REFUSED: Answer = {"refused": True}


def send(client: AsyncOpenAI, recipe: Recipe, image: bytes | None) -> Awaitable[LegacyAPIResponse[Any]]:
    """Send the questions."""
    assert image is not None
    detail = recipe.parameters.get("detail")
    part = {"type": "input_image", "image_url": data_url(image), **({"detail": detail} if detail else {})}
    message = {"role": "user", "content": [{"type": "input_text", "text": "The image to judge:"}, part]}
    asked = [_question(number, one) for number, one in enumerate(_questions(recipe), 1)]
    fields: dict[str, Any] = {"model": recipe.model, "input": [message], "questions": asked}
    return client.decisions.with_raw_response.create(**fields)


def count_of(recipe: Recipe) -> int:
    """Return the number of answers that are expected."""
    return len(_questions(recipe))


def answers_in(response: Mapping[str, Any], recipe: Recipe) -> list[Answer] | None:
    """Read the answers, in the order of the questions; None if the response has none at all."""
    told = response.get("answers")
    if not isinstance(told, list):
        return None
    asked = _questions(recipe)
    found = [one for one in told if isinstance(one, Mapping)]
    by_name = {one.get("name"): one for one in found if isinstance(one.get("name"), str)}
    in_order = len(found) == len(told) == len(asked) and not by_name
    return [
        _answer(found[place] if in_order else by_name.get(f"q{place + 1}"), question)
        for place, question in enumerate(asked)
    ]


def _questions(recipe: Recipe) -> Sequence[Mapping[str, Any]]:
    return recipe.parameters["questions"]  # type: ignore[return-value]


def _question(number: int, question: Mapping[str, Any]) -> dict[str, Any]:
    named = {"name": f"q{number}", "instructions": question["ask"]}
    if question["scale"] == YES_NO:
        return {"type": "predicate", **named}
    return {"type": "score", **named, "levels": [{"label": str(level)} for level in range(MOST_POINTS + 1)]}


def _answer(told: Mapping[str, Any] | None, question: Mapping[str, Any]) -> Answer:
    if told is None:
        return missing("the response has no answer to this question")
    if told.get("type") == "refusal":
        return REFUSED
    if question["scale"] == YES_NO:
        return yes(told.get("probability")) if told.get("type") == "predicate" else missing("no predicate came")
    return points(told.get("score")) if told.get("type") == "score" else missing("no score came")
