"""ComfyUI: fill the workflow, put it into the queue of a server under an ID of our own, and get the file that it saves.

Source: ComfyUI 0.33.0, which was also tried; see ``docs/providers/comfyui.md``.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import ClassVar

from imagemake.core.known_secrets import redacted
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, FailureKind, ImageResponse, ProviderError, SeedUse, ServerCheck
from imagemake.plugins.providers.comfyui.host import Host, Job, is_passing
from imagemake.plugins.providers.comfyui.news import News
from imagemake.plugins.providers.comfyui.outcomes import NODE, failed, files_of, rejected
from imagemake.plugins.providers.comfyui.pool import SERVER, Pool
from imagemake.plugins.providers.comfyui.template import FOLDER, SEED, Template
from imagemake.plugins.providers.http.client import HttpClient
from imagemake.plugins.providers.http.error_text import retry_after_s
from imagemake.plugins.providers.http.queue import Reply, in_words, lost
from imagemake.plugins.providers.http.queue import failed as failed_file
from imagemake.plugins.providers.queue import GONE, NamingQueueProvider, Pending, Ticket

OWN_BASE_URL = "http://127.0.0.1:8188"
_PNG_END = b"IEND\xaeB`\x82"
_MOST_IMAGES = 64  # of one prompt, where only their names are known


class ComfyUIProvider(NamingQueueProvider):
    """Generates images with a workflow of the user's own on one or more ComfyUI servers."""

    paid: ClassVar[bool] = True
    ends_with_run: ClassVar[bool] = True

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        headers = dict(connection.headers)
        if connection.key_from is not None and (key := connection.key("", "")):  # a proxy in front of the server
            headers["Authorization"] = f"Bearer {key}"
        addresses = dict.fromkeys([connection.base_url or OWN_BASE_URL, *connection.pool])
        self._pool = Pool([Host(one, HttpClient(one, connection.timeout_s, headers)) for one in addresses])
        self._news = News(client_id := uuid.uuid4().hex, headers)
        self._client_id = client_id
        self._templates: dict[str, Template] = {}

    async def name(self, recipe: Recipe, images: Mapping[str, bytes]) -> Ticket:
        """Check that the recipe fits the workflow, and choose a server and an ID."""
        template = self._template(recipe, images)
        if (fault := template.fault(recipe)) is not None:
            raise ProviderError(fault[0], FailureKind.CONFIGURATION, code="workflow", remedy=fault[1])
        prompt_id = str(uuid.uuid4())  # ComfyUI takes no other spelling
        host = await self._pool.pick(prompt_id)
        seed = SeedUse.SENT if SEED in template.names else SeedUse.NOT_SENT
        return Ticket(prompt_id, {SERVER: host.address, NODE: template.output, SEED: seed.value})

    async def submit_named(self, ticket: Ticket, recipe: Recipe, images: Mapping[str, bytes]) -> None:
        """Upload the images, and put the workflow into the server's queue."""
        try:
            await self._submit(ticket, recipe, images)
        except ProviderError as error:
            if error.failure is not FailureKind.UNKNOWN:
                self._done(ticket)
            raise

    async def _submit(self, ticket: Ticket, recipe: Recipe, images: Mapping[str, bytes]) -> None:
        host, template = self._pool.of(ticket), self._template(recipe, images)
        sent = dict.fromkeys([*recipe.references, *filter(None, [recipe.mask])])
        files = {digest: await host.upload(digest, images[digest], FOLDER) for digest in sent}
        # A name of its own: ComfyUI remembers what it saved for equal inputs, and would name that old file.
        prompt = template.filled(recipe, files, _prefix(ticket))
        self._news.listen(host.address, ticket.id)
        body = {"prompt": prompt, "prompt_id": ticket.id, "client_id": self._client_id}
        reply = await host.ask("POST", "prompt", json=body)
        if reply.status == 200 and reply.json.get("node_errors"):  # it would leave out what has them
            await host.cancel(ticket.id)
        if reply.status != 200 or reply.json.get("node_errors"):
            raise rejected(reply, template.node)
        if reply.json.get("prompt_id") != ticket.id:
            told = in_words(redacted(reply.body.decode("utf-8", "replace")))
            message = f"{host.address} did not take prompt {ticket.id}: {told}"
            remedy = "Correct model.base_url, or update ComfyUI: imagemake needs a version that takes prompt_id."
            raise ProviderError(message, FailureKind.CONFIGURATION, code="no_ticket", status=200, remedy=remedy)

    def _template(self, recipe: Recipe, images: Mapping[str, bytes]) -> Template:
        if recipe.workflow is None or recipe.workflow not in images:
            remedy = "Name it under model.workflow."
            raise ProviderError("there is no workflow", FailureKind.STOP, code="no_workflow", remedy=remedy)
        if recipe.workflow not in self._templates:
            self._templates[recipe.workflow] = Template(images[recipe.workflow])
        return self._templates[recipe.workflow]

    async def poll(self, ticket: Ticket) -> Pending | ImageResponse:
        """Ask once what became of a prompt."""
        host = self._pool.of(ticket)
        try:
            found = await self._look(host, ticket)
        except ProviderError as error:
            if error.failure is FailureKind.UNKNOWN and error.code != GONE:
                return Pending(str(error))
            if error.failure is not FailureKind.UNREACHABLE or len(self._pool.hosts) == 1:
                self._done(ticket)
                raise
            if not await self._pool.is_dead(host):
                return Pending(str(error))
            self._done(ticket)
            raise lost(f"{host.address} is gone, and request {ticket.id} with it: {error}") from None
        if not isinstance(found, Pending):
            self._done(ticket)
        return found

    async def _look(self, host: Host, ticket: Ticket) -> Pending | ImageResponse:
        job = await host.job(ticket.id)
        if not isinstance(job, Job):
            return _no_news(job)
        if job.status == "unknown":
            return await self._saved(host, ticket)
        if job.status == "completed":
            return await self._images(host, ticket, files_of(job, ticket))
        if job.status in ("failed", "cancelled"):
            raise failed(job, ticket)
        host.open.add(ticket.id)
        if job.status == "pending":
            return Pending("in the queue", has_started=False)
        return Pending(self._news.words.get(ticket.id, "running"))

    async def _images(
        self, host: Host, ticket: Ticket, files: Sequence[tuple[str, str, str]]
    ) -> Pending | ImageResponse:
        found: list[bytes] = []
        for name, folder, kind in files:
            reply = await host.file(name, folder, kind)
            if reply.status == 404:
                raise failed_file(f"the server no longer has {in_words(name)}", ticket)
            if reply.status != 200:
                return _no_news(reply)
            found.append(reply.body)
        return _response(ticket, found)

    async def _saved(self, host: Host, ticket: Ticket) -> ImageResponse:
        """Return the image of a prompt that the server has forgotten, as after a restart: its file has our name.

        Raises:
            ProviderError: With the code `GONE` if there is no file.
        """
        folder, _, name = _prefix(ticket).rpartition("/")
        found: list[bytes] = []
        for number in range(1, _MOST_IMAGES + 1):
            reply = await host.file(f"{name}_{number:05}_.png", folder)
            if reply.status != 200 or not reply.body.endswith(_PNG_END):  # a restart may have cut it off
                break
            found.append(reply.body)
        if not found:
            raise lost(f"{host.address} does not know request {ticket.id}, and has no file of it")
        return _response(ticket, found)

    async def rest(self, ticket: Ticket, wait_s: float) -> None:
        """Wait until the next look is due, or the server says that the prompt has ended."""
        self._news.listen(self._pool.of(ticket).address, ticket.id)
        await self._news.wait(ticket.id, wait_s)

    async def cancel(self, ticket: Ticket) -> None:
        """Take a prompt out of the queue, or interrupt it."""
        if not await self._pool.of(ticket).cancel(ticket.id):
            message = f"prompt {ticket.id} is neither in the queue nor running"
            raise ProviderError(message, FailureKind.NOT_RETRYABLE, code="no_cancel")

    async def check(self, model: str) -> ServerCheck | None:
        """Ask every server whether it is there; they know no models by a campaign's name."""
        lengths = await asyncio.gather(*(host.length() for host in self._pool.hosts))
        silent = [host.address for host, n in zip(self._pool.hosts, lengths, strict=True) if n is None]
        if silent:
            message = f"no ComfyUI server answers at {', '.join(silent)}"
            remedy = "Start it, or correct model.base_url and model.pool."
            raise ProviderError(message, FailureKind.UNREACHABLE, code="not_connected", remedy=remedy)
        return None

    def seed_use(self, model: str) -> SeedUse:
        """Return what becomes of the seed; a response of a workflow without an input for it says otherwise."""
        return SeedUse.SENT

    async def close(self) -> None:
        """Close the connections."""
        await self._news.close()
        for host in self._pool.hosts:
            await host.client.close()

    def _done(self, ticket: Ticket) -> None:
        self._pool.done(ticket.id)
        self._news.forget(ticket.id)


def _prefix(ticket: Ticket) -> str:
    """Return how the paths of what a prompt saves begin, in one of 256 folders: the server lists it each time."""
    return f"{FOLDER}/{ticket.id[:2]}/{ticket.id}"


def _response(ticket: Ticket, found: Sequence[bytes]) -> ImageResponse:
    use = SeedUse.NOT_SENT if ticket.urls.get(SEED) == SeedUse.NOT_SENT.value else SeedUse.SENT
    return ImageResponse(found[0], request_id=ticket.id, more=tuple(found[1:]), seed_use=use)


def _no_news(reply: Reply) -> Pending:
    """Return that a prompt is still open, after a reply that says nothing of it.

    Raises:
        ProviderError: `FailureKind.STOP`, if the server rejects the question.
    """
    if is_passing(reply):
        return Pending(f"HTTP {reply.status}", retry_after_s(reply.headers))
    error = reply.error()
    raise ProviderError(str(error), FailureKind.STOP, code=error.code, status=reply.status, remedy=error.remedy)
