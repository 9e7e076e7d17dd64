"""DashScope's asynchronous tasks: submit with ``X-DashScope-Async``, poll the task, and fetch the image within a day.

Source: dashscope 2.0.2 for addresses, headers, and states. The fields of Qwen-Image are from third parties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import FailureKind, ImageResponse, ProviderError
from imagemake.plugins.providers.http.errors import REMEDIES
from imagemake.plugins.providers.http.images import data_url
from imagemake.plugins.providers.http.queue import HttpQueue, Reply, failed, in_words, lost, refused, size_of
from imagemake.plugins.providers.queue import Pending, Ticket
from imagemake.plugins.providers.sizes import Size

_ASYNC = {"X-DashScope-Async": "enable"}
# The server would rewrite the prompt, and mark the image.
_AS_WRITTEN: Mapping[str, Any] = {"prompt_extend": False, "watermark": False}
_NO_MONEY = ("Arrearage", "AllocationQuota.FreeTierOnly")
_MODERATED = ("DataInspectionFailed", "data_inspection_failed")


class DashScopeProvider(HttpQueue):
    """Generates images with Qwen-Image; every region has a host and keys of its own."""

    key_variable: ClassVar[str | None] = "DASHSCOPE_API_KEY"
    domain: ClassVar[str | None] = "dashscope.aliyuncs.com"
    own_base_url: ClassVar[str] = "https://dashscope.aliyuncs.com/api/v1"

    async def send(self, recipe: Recipe, images: Mapping[str, bytes]) -> Reply:
        """Create a task."""
        if recipe.mask is not None:
            raise ProviderError("Qwen-Image takes no mask", FailureKind.CONFIGURATION, code="no_mask")
        parameters = {**_AS_WRITTEN, **self.fields(recipe), **_size_fields(recipe)}
        parts = [{"image": data_url(images[digest])} for digest in recipe.references]
        content = [*parts, {"text": parameters.pop("prompt")}]
        body = {
            "model": recipe.model,
            "input": {"messages": [{"role": "user", "content": content}]},
            "parameters": parameters,
        }
        return await self.ask("POST", "services/aigc/image-generation/generation", json=body, headers=_ASYNC)

    def number_in(self, answer: Mapping[str, Any]) -> object:
        """Return the ID of the task that an answer is about."""
        return _output(answer).get("task_id")

    def ticket_in(self, answer: Mapping[str, Any], recipe: Recipe) -> Ticket:
        """Return the ticket in the answer to a submission."""
        own = {"status": "tasks/{id}", "cancel": "tasks/{id}/cancel"}
        return self.ticket(self.number_in(answer), own, {})

    async def look(self, ticket: Ticket) -> Pending | ImageResponse:
        """Ask for the task, which has the image's URL at the end."""
        reply = await self.ask_about(ticket)
        if isinstance(reply, Pending):
            return reply
        output = _output(reply.json)
        status, code = output.get("task_status"), str(output.get("code") or reply.json.get("code") or "")
        told = str(output.get("message") or reply.json.get("message") or "no reason is given")
        if status == "SUCCEEDED":
            return self.result(ticket, reply)
        if status == "FAILED" and code.startswith(_MODERATED):
            raise refused(told, code, ticket)
        if status == "FAILED":
            again = not code.startswith("InvalidParameter")
            raise failed(f"the task failed: {told}", ticket, code or None, again=again)
        if status == "CANCELED":
            raise failed("the task was canceled", ticket, "canceled", again=False)
        if status == "UNKNOWN":  # it does not exist, or is more than a day old
            raise lost(f"the provider does not know task {ticket.id}")
        return Pending(in_words(status))

    def error_in(self, reply: Reply) -> ProviderError:
        """Return what an error response means."""
        error, code = reply.error(), str(reply.json.get("code") or "")
        kind, remedy = error.failure, error.remedy
        if code.startswith(_MODERATED):
            kind, remedy = FailureKind.REFUSED, ""
        elif code in _NO_MONEY:
            kind, remedy = FailureKind.QUOTA, REMEDIES["quota"]
        return ProviderError(
            str(error),
            kind,
            code=code or error.code,
            status=reply.status,
            request_id=str(reply.json.get("request_id") or "") or None,
            retry_after_s=error.retry_after_s,
            remedy=remedy,
            headers=error.headers,
        )

    def image_urls(self, answer: Mapping[str, Any]) -> Sequence[object]:
        """Return the URLs of the images, in the form of Qwen-Image or in that of older models."""
        output = _output(answer)
        found: list[object] = []
        for choice in _objects(output.get("choices")):
            message = choice.get("message")
            content = message.get("content") if isinstance(message, Mapping) else None
            found += [part.get("image") for part in _objects(content)]
        return found or [one.get("url") for one in _objects(output.get("results"))]


def _output(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    output = answer.get("output")
    return output if isinstance(output, Mapping) else {}


def _objects(found: object) -> list[Mapping[str, Any]]:
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _size_fields(recipe: Recipe) -> dict[str, Any]:
    size = size_of(recipe)
    if isinstance(size, Size) and size.is_pixels:
        return {"size": f"{size.width}*{size.height}"}
    return {} if size is None else {"size": str(recipe.parameters["size"])}
