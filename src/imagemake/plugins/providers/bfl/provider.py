"""Black Forest Labs' queue: submit to ``/v1/MODEL``, poll the given URL, and fetch the image within 10 minutes.

Source: Black Forest Labs' documentation, February 2026.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import FailureKind, ImageResponse, ProviderError
from imagemake.plugins.providers.http.base64_images import encoded
from imagemake.plugins.providers.http.queue import HttpQueue, Reply, failed, in_words, lost, refused, size_fields
from imagemake.plugins.providers.queue import Pending, Ticket

_MODERATED = ("Request Moderated", "Content Moderated")


class BflProvider(HttpQueue):
    """Generates images with FLUX from Black Forest Labs."""

    key_variable: ClassVar[str | None] = "BFL_API_KEY"
    domain: ClassVar[str | None] = "bfl.ai"
    own_base_url: ClassVar[str] = "https://api.bfl.ai/v1"

    def key_header(self, key: str) -> dict[str, str]:
        """Return the header that carries the key."""
        return {"x-key": key}

    async def send(self, recipe: Recipe, images: Mapping[str, bytes]) -> Reply:
        """Put a request into the queue."""
        return await self.ask("POST", recipe.model, json=self._body(recipe, images))

    def _body(self, recipe: Recipe, images: Mapping[str, bytes]) -> dict[str, Any]:
        body = {**self.fields(recipe), **size_fields(recipe)}
        for number, digest in enumerate(recipe.references, 1):
            name = "input_image" if number == 1 else f"input_image_{number}"
            body[name] = encoded(images[digest])
        if recipe.mask is not None:
            body["mask"] = encoded(images[recipe.mask])
        return body

    def ticket_in(self, answer: Mapping[str, Any], recipe: Recipe) -> Ticket:
        """Return the ticket in the answer to a submission; its URL leads to the region that has the request."""
        return self.ticket(
            self.number_in(answer), {"status": "get_result?id={id}"}, {"status": answer.get("polling_url")}
        )

    async def look(self, ticket: Ticket) -> Pending | ImageResponse:
        """Ask for the state, which has the image's URL at the end."""
        reply = await self.ask_about(ticket)
        if isinstance(reply, Pending):
            return reply
        status = reply.json.get("status")
        if status == "Ready":
            return self.result(ticket, reply)
        if status in _MODERATED:
            raise refused(f"{status}{_reasons(reply.json)}", str(status).lower().replace(" ", "_"), ticket)
        if status == "Error":
            raise failed(f"the request ended with an error{_reasons(reply.json)}", ticket, "error")
        if status == "Task not found":
            raise lost(f"the provider does not know request {ticket.id}")
        return Pending(in_words(status))

    def image_urls(self, answer: Mapping[str, Any]) -> Sequence[object]:
        """Return the URL of the image."""
        result = answer.get("result")
        return [result.get("sample")] if isinstance(result, Mapping) else []

    def seed_in(self, answer: Mapping[str, Any]) -> object:
        """Return the seed that the response says was used."""
        result = answer.get("result")
        return result.get("seed") if isinstance(result, Mapping) else None

    async def cancel(self, ticket: Ticket) -> None:
        """Fail: the API has no such call."""
        message = "Black Forest Labs' API has no call that cancels a request"
        raise ProviderError(message, FailureKind.NOT_RETRYABLE, code="no_cancel")


def _reasons(answer: Mapping[str, Any]) -> str:
    details = answer.get("details")
    reasons = details.get("Moderation Reasons") if isinstance(details, Mapping) else None
    return f": {', '.join(map(str, reasons))}" if isinstance(reasons, list) and reasons else ""
