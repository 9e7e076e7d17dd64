"""fal's queue: submit to ``queue.fal.run/APP``, poll the status, and get the result, which has the image's URL.

Source: fal-client 1.0.3 for addresses, states, and headers; fal's documentation for errors and retries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import FailureKind, ImageResponse, ProviderError
from imagemake.plugins.providers.http.error_text import read_error
from imagemake.plugins.providers.http.images import data_url
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

# The queue would repeat a failed run up to 10 times by itself; here, the journal has every run.
ONCE = {"x-fal-no-retry": "1"}
_NAMESPACES = ("workflows", "comfy")  # before the owner, in names of applications
# ASSUME: applications of this kind take one image, all others a list; fal's documentation names the field for each.
_ONE_IMAGE = ("/kontext", "/image-to-image", "/redux", "/fill", "/inpainting")


class FalProvider(HttpQueue):
    """Generates images with the models of fal.ai."""

    key_variable: ClassVar[str | None] = "FAL_KEY"
    domain: ClassVar[str | None] = "fal.run"
    own_base_url: ClassVar[str] = "https://queue.fal.run"
    cancel_method: ClassVar[str] = "PUT"

    def key_header(self, key: str) -> dict[str, str]:
        """Return the header that carries the key."""
        return {"Authorization": f"Key {key}"}

    async def send(self, recipe: Recipe, images: Mapping[str, bytes]) -> Reply:
        """Put a request into the queue."""
        return await self.ask("POST", recipe.model, json=self._body(recipe, images), headers=ONCE)

    def _body(self, recipe: Recipe, images: Mapping[str, bytes]) -> dict[str, Any]:
        body = {**self.fields(recipe), **_size_fields(recipe)}
        urls = [data_url(images[digest]) for digest in recipe.references]
        if urls and recipe.model.endswith(_ONE_IMAGE):
            body["image_url"] = urls[0]
        elif urls:
            body["image_urls"] = urls
        if recipe.mask is not None:
            body["mask_url"] = data_url(images[recipe.mask])
        return body

    def number_in(self, answer: Mapping[str, Any]) -> object:
        """Return the ID of the request that an answer is about."""
        return answer.get("request_id")

    def ticket_in(self, answer: Mapping[str, Any], recipe: Recipe) -> Ticket:
        """Return the ticket in the answer to a submission."""
        path = f"{_application(recipe.model)}/requests/{{id}}"
        own = {"status": f"{path}/status", "response": path, "cancel": f"{path}/cancel"}
        return self.ticket(self.number_in(answer), own, {what: answer.get(f"{what}_url") for what in own})

    async def look(self, ticket: Ticket) -> Pending | ImageResponse:
        """Ask for the status, and get the result of a request that has ended."""
        reply = await self.ask_about(ticket)
        if isinstance(reply, Pending):
            return reply
        told = reply.json
        status = told.get("status")
        if status == "IN_QUEUE":
            return Pending(in_words(f"in the queue, position {told.get('queue_position')}"))
        if status == "IN_PROGRESS":
            return Pending("in progress")
        if status != "COMPLETED":
            return Pending(in_words(f"unknown status {status!r}"))
        return await self._result(ticket, failure=told.get("error"), kind=told.get("error_type"))

    async def _result(self, ticket: Ticket, failure: object, kind: object) -> ImageResponse | Pending:
        reply = await self.ask("GET", self.url_of(ticket, "response"))
        if reply.status == 200 and not failure:
            return self._checked(ticket, reply)
        if not failure and reply.status in (404, 410):
            raise lost(f"the result of request {ticket.id} has expired (HTTP {reply.status})", reply.status)
        if not failure and (reply.status == 429 or reply.status >= 500):
            return Pending(f"HTTP {reply.status} for its result")
        if 400 <= reply.status < 500 and reply.status not in (404, 410, 429):
            raise self.error_in(reply)
        told = read_error(reply.body).message if reply.status != 200 else ""
        raise failed(f"{failure or 'it failed'} {told}".strip(), ticket, str(kind) if kind else None)

    def _checked(self, ticket: Ticket, reply: Reply) -> ImageResponse:
        """Return the image, unless the safety checker replaced it by a black one."""
        flags = reply.json.get("has_nsfw_concepts")
        if isinstance(flags, list) and any(flag is True for flag in flags):
            message = "fal's safety checker found unsafe content in the image, and blanked it"
            raise refused(message, "has_nsfw_concepts", ticket, billed=True)
        return self.result(ticket, reply)

    def error_in(self, reply: Reply) -> ProviderError:
        """Return what an error response means; FastAPI's entries say by their type whether it is about content."""
        error, details = reply.error(), reply.json.get("detail")
        first = details[0] if isinstance(details, list) and details else {}
        kind = first.get("type") if isinstance(first, Mapping) else None
        if kind == "content_policy_violation":
            message, refusal = str(error), FailureKind.REFUSED
            return ProviderError(message, refusal, code=kind, status=reply.status, request_id=error.request_id)
        return error

    def image_urls(self, answer: Mapping[str, Any]) -> Sequence[object]:
        """Return the URLs of the images."""
        images = answer.get("images") or [answer.get("image")]
        return [one.get("url") for one in images if isinstance(one, Mapping)] if isinstance(images, list) else []


def _size_fields(recipe: Recipe) -> dict[str, Any]:
    fields = size_fields(recipe)
    if "width" in fields:
        return {"image_size": fields}
    return {"image_size": fields["size"]} if "size" in fields else fields


def _application(model: str) -> str:
    """Return the part of a name that its requests are under: owner and application, without the path behind them."""
    parts = model.split("/")
    return "/".join(parts[: 3 if parts[0] in _NAMESPACES else 2])
