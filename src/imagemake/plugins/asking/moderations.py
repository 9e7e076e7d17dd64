"""The moderation endpoint: what a provider flags in an image, or in each of several texts."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imagemake.core.recipe import Recipe
from imagemake.core.text import printable
from imagemake.plugins.asking import Answer, missing, yes
from imagemake.plugins.asking.sent_image import data_url

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._legacy_response import LegacyAPIResponse

REFUSED: Answer = {"flagged": True, "scores": {}}  # a moderation that refuses to look has seen enough
MOST_CATEGORIES = 50
MOST_NAME = 60


def send(client: AsyncOpenAI, recipe: Recipe, image: bytes | None) -> Awaitable[LegacyAPIResponse[Any]]:
    """Send an image, or the texts."""
    given: Any = list(_texts(recipe))
    if image is not None:
        given = [{"type": "image_url", "image_url": {"url": data_url(image)}}]
    return client.moderations.with_raw_response.create(model=recipe.model, input=given)


def count_of(recipe: Recipe) -> int:
    """Return the number of answers that are expected."""
    return len(_texts(recipe)) or 1


def answers_in(response: Mapping[str, Any], recipe: Recipe) -> list[Answer] | None:
    """Read the results, in the order of what was sent; None if the response has none at all."""
    results = response.get("results")
    n = count_of(recipe)
    if not isinstance(results, list) or len(results) != n:
        return None
    return [_answer(one) for one in results]


def _texts(recipe: Recipe) -> Sequence[str]:
    return recipe.parameters.get("texts", ())  # type: ignore[return-value]


def _answer(result: Any) -> Answer:
    flagged = result.get("flagged") if isinstance(result, Mapping) else None
    if not isinstance(flagged, bool):
        return missing("the result does not say whether it is flagged")
    scores = result.get("category_scores")
    told = dict(list(scores.items())[:MOST_CATEGORIES]) if isinstance(scores, Mapping) else {}
    known = {name: yes(score).get("yes") for name, score in told.items() if isinstance(name, str)}
    kept = {printable(name)[:MOST_NAME]: score for name, score in known.items() if score is not None}
    return {"flagged": flagged, "scores": kept}
