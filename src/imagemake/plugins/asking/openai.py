"""Asks servers with OpenAI's API: by the Decisions API, by chat completions, or at the moderation endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from imagemake.core.recipe import Recipe
from imagemake.plugins.asking import (
    Answer,
    answers_file,
    as_json,
    chat,
    decisions,
    deriving,
    missing,
    moderations,
    rewriting,
)
from imagemake.plugins.providers import Connection, FailureKind, ImageResponse, ProviderError, ReferenceProvider
from imagemake.plugins.providers.connection import is_of_domain
from imagemake.plugins.providers.http.answers import plain_usage
from imagemake.plugins.providers.http.client import lower_case
from imagemake.plugins.providers.http.error_text import request_id_of
from imagemake.plugins.providers.http.errors import not_an_image
from imagemake.plugins.providers.openai.batches import OpenAIBatches
from imagemake.plugins.providers.openai.client import OWN_DOMAIN, clients_of, whole_answer
from imagemake.plugins.providers.openai.costs import cost_in
from imagemake.plugins.providers.openai.errors import KEY_VARIABLE

if TYPE_CHECKING:
    from openai._legacy_response import LegacyAPIResponse

Api = ModuleType | chat.OneObject
MOST_BYTES = 1_000_000  # of a response; answers have some thousands
# By the recipe's parameter `api`: what is sent, and how it is read.
APIS: Mapping[str, Api] = {
    "decisions": decisions,
    "chat": chat,
    "derive": deriving.API,
    "moderations": moderations,
    "rewrite": rewriting.API,
}
FREE = "moderations"  # source: OpenAI's moderation guide; its own servers bill nothing for them


class OpenAIAsker(OpenAIBatches, ReferenceProvider):
    """Asks a server what a recipe's parameters say.

    A refusal of the whole request is an answer too: each question is refused. So is a response that cannot be read:
    each answer is missing. Both are kept, so that nobody pays for them again.

    Attributes:
        read_image: Reads an image by its digest, for the lines of batches.
    """

    images_in_lines: ClassVar[bool] = True
    read_image: Callable[[str], bytes]
    paid: ClassVar[bool] = True
    key_variable: ClassVar[str | None] = KEY_VARIABLE
    domain: ClassVar[str | None] = OWN_DOMAIN

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._address, self._clients = clients_of(connection)
        self._client = self._clients.first

    async def generate(self, recipe: Recipe) -> ImageResponse:
        """Ask about texts."""
        return await self._asked(recipe, None)

    async def generate_from(self, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
        """Ask about an image."""
        return await self._asked(recipe, images[recipe.references[0]])

    async def _asked(self, recipe: Recipe, image: bytes | None) -> ImageResponse:
        api = APIS[str(recipe.parameters["api"])]
        try:
            timeout_s = self.connection.timeout_s
            response: LegacyAPIResponse[Any] = await whole_answer(
                self._clients, timeout_s, lambda client: api.send(client, recipe, image)
            )
        except ProviderError as error:
            return self._not_answered(recipe, error)
        return self._read(recipe, response.content, lower_case(response.headers))

    def batch_request(self, recipe: Recipe) -> tuple[str, dict[str, Any]]:
        """Return the endpoint of chat completions, and the questions with their image."""
        return chat.ENDPOINT, chat.body_of(recipe, self.read_image(recipe.references[0]))

    @staticmethod
    def response_in(body: Any, line: bytes, headers: Mapping[str, str]) -> ImageResponse:
        """Return the body of a response as it is: what it answers is known with its recipe."""
        content = b"" if body is None else orjson.dumps(body)
        return ImageResponse(content, request_id_of(headers), headers=headers)

    def read_result(
        self, recipe: Mapping[str, Any] | None, outcome: ImageResponse | ProviderError
    ) -> ImageResponse | ProviderError:
        """Read the answers in a line of results."""
        if recipe is None:
            return ProviderError("the record of its call is lost", FailureKind.UNKNOWN)
        asked = Recipe.from_dict(recipe)
        try:
            if isinstance(outcome, ProviderError):
                return self._not_answered(asked, outcome)
            return self._read(asked, outcome.image, outcome.headers)
        except ProviderError as error:
            return error

    def _not_answered(self, recipe: Recipe, error: ProviderError) -> ImageResponse:
        """Return the answers that an error is, if it is some; otherwise, raise it."""
        api = APIS[str(recipe.parameters["api"])]
        if error.failure is FailureKind.UNREADABLE:  # too large, and paid for
            return self._answered(recipe, api, None, error.headers)
        if error.failure is not FailureKind.REFUSED:
            raise error
        answers = [api.REFUSED] * api.count_of(recipe)
        return self._answered(recipe, api, answers, error.headers, cost_usd=error.cost_usd or 0.0)

    def _read(self, recipe: Recipe, content: bytes, headers: Mapping[str, str]) -> ImageResponse:
        """Read a response."""
        api = APIS[str(recipe.parameters["api"])]
        told = as_json(content) if len(content) <= MOST_BYTES else None
        body = told if isinstance(told, Mapping) else {}
        answers = api.answers_in(body, recipe)
        told_error = None if answers is not None else not_an_image(told, content, headers)
        if told_error is not None:
            if told_error.failure is not FailureKind.REFUSED:
                raise told_error
            answers = [api.REFUSED] * api.count_of(recipe)
        model = body.get("model")
        return self._answered(
            recipe,
            api,
            answers,
            headers,
            usage=_usage(body.get("usage")),
            cost_usd=self._cost(recipe, body.get("usage"), headers),
            model=model if isinstance(model, str) else None,
        )

    def _answered(
        self, recipe: Recipe, api: Api, answers: list[Answer] | None, headers: Mapping[str, str], **facts: Any
    ) -> ImageResponse:
        if answers is None:
            answers = [missing("the response cannot be read")] * api.count_of(recipe)
        image = next(iter(recipe.references), None)
        content = answers_file(recipe.parameters, image, answers)
        return ImageResponse(content, request_id_of(headers), headers=headers, **facts)

    def _cost(self, recipe: Recipe, usage: Any, headers: Mapping[str, str]) -> float | None:
        if is_of_domain(self._address, OWN_DOMAIN):
            return 0.0 if recipe.parameters["api"] == FREE else None
        usage = usage if isinstance(usage, Mapping) else {}
        told = usage.get("cost")  # as OpenRouter says it
        if isinstance(told, int | float) and not isinstance(told, bool) and 0 <= told < 1e6:
            return float(told)
        return cost_in(headers, usage)

    async def close(self) -> None:
        """Close the connections."""
        for pool in self._clients.all:
            await pool.client.close()


def _usage(told: object) -> dict[str, Any] | None:
    """Return token counts under the names that prices are counted by; chat completions name them otherwise."""
    usage = plain_usage(told)
    if usage is None or "input_tokens" in usage:
        return usage
    names = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
    counts = {ours: usage[theirs] for theirs, ours in names.items() if theirs in usage}
    return {**usage, **counts}
