"""Replicate's predictions: create one, poll it, and fetch its files within an hour.

Source: replicate 1.0.7 for addresses, states, and uploads; Replicate's documentation for deadlines and expiry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import FailureKind, ImageResponse, ProviderError
from imagemake.plugins.providers.http.images import data_url, form_of
from imagemake.plugins.providers.http.queue import (
    HttpQueue,
    Reply,
    failed,
    in_words,
    lost,
    refused,
    size_fields,
)
from imagemake.plugins.providers.queue import Pending, Ticket

MOST_INLINE_BYTES = 256 * 1024  # a larger file is uploaded first
# ASSUME: as the models' pages name their fields in November 2026; there is no common name.
_IMAGE_FIELDS = {
    "black-forest-labs/flux-2-": "input_images",
    "black-forest-labs/flux-kontext-": "input_image",
    "google/nano-banana": "image_input",
    "bytedance/seedream-": "image_input",
}
# Replicate passes on what a model's own checker says, as free text.
_MODERATED = re.compile(r"nsfw|sensitive|moderat|flagged|safety|content policy|inappropriate", re.IGNORECASE)


class ReplicateProvider(HttpQueue):
    """Generates images with the models of Replicate; a name is ``owner/model``, or with ``:version`` behind it."""

    key_variable: ClassVar[str | None] = "REPLICATE_API_TOKEN"
    domain: ClassVar[str | None] = "replicate.com"
    own_base_url: ClassVar[str] = "https://api.replicate.com/v1"

    async def send(self, recipe: Recipe, images: Mapping[str, bytes]) -> Reply:
        """Create a prediction."""
        fields = {**self.fields(recipe), **size_fields(recipe), **await self._image_fields(recipe, images)}
        name, _, version = recipe.model.partition(":")
        if version:
            return await self.ask("POST", "predictions", json={"version": version, "input": fields})
        return await self.ask("POST", f"models/{name}/predictions", json={"input": fields})

    async def _image_fields(self, recipe: Recipe, images: Mapping[str, bytes]) -> dict[str, Any]:
        if not recipe.references:
            return {}
        field = next((name for start, name in _IMAGE_FIELDS.items() if recipe.model.startswith(start)), None)
        if field is None:
            message = f"imagemake does not know in which field {recipe.model} takes reference images"
            remedy = f"Use a model whose name begins with one of {', '.join(_IMAGE_FIELDS)}."
            raise ProviderError(message, FailureKind.CONFIGURATION, code="no_references", remedy=remedy)
        urls = [await self._url(images[digest]) for digest in recipe.references]
        mask = {"mask": await self._url(images[recipe.mask])} if recipe.mask is not None else {}
        return {field: urls[0] if field == "input_image" else urls, **mask}

    async def _url(self, image: bytes) -> str:
        if len(image) <= MOST_INLINE_BYTES:
            return data_url(image)
        reply = await self.ask("POST", "files", **form_of("content", "reference", image))
        urls = reply.json.get("urls")
        url = urls.get("get") if isinstance(urls, Mapping) else None
        if reply.status >= 300 or not isinstance(url, str):
            error = self.error_in(reply)
            kind_of = FailureKind.UNAVAILABLE if error.failure is FailureKind.UNKNOWN else error.failure
            raise ProviderError(f"a reference image was not uploaded: {error}", kind_of, status=reply.status)
        return url

    def ticket_in(self, answer: Mapping[str, Any], recipe: Recipe) -> Ticket:
        """Return the ticket in the answer to a submission."""
        urls = answer.get("urls")
        given = urls if isinstance(urls, Mapping) else {}
        own = {"status": "predictions/{id}", "cancel": "predictions/{id}/cancel"}
        return self.ticket(self.number_in(answer), own, {"status": given.get("get"), "cancel": given.get("cancel")})

    async def look(self, ticket: Ticket) -> Pending | ImageResponse:
        """Ask for the prediction, which has the URLs of its files at the end."""
        reply = await self.ask_about(ticket)
        if isinstance(reply, Pending):
            return reply
        status, told = reply.json.get("status"), str(reply.json.get("error") or "no reason is given")
        if status == "succeeded":
            if reply.json.get("output") is None and reply.json.get("data_removed"):
                raise lost(f"the files of prediction {ticket.id} have expired")
            return self.result(ticket, reply)
        if status == "failed":
            raise (
                refused(told, "moderated", ticket)
                if _MODERATED.search(told)
                else failed(f"the prediction failed: {told}", ticket)
            )
        if status == "canceled":
            raise failed("the prediction was canceled", ticket, "canceled", again=False)
        if status == "aborted":
            raise failed("the prediction was not started in time", ticket, "aborted")
        return Pending(in_words(status))

    def image_urls(self, answer: Mapping[str, Any]) -> Sequence[object]:
        """Return the URLs of the files."""
        output = answer.get("output")
        return output if isinstance(output, list) else [output]
