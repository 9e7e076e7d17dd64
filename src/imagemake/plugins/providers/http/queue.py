"""What the queues of several vendors share: a request as JSON, a ticket, and an image at a URL that expires."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlsplit

from imagemake.core.known_secrets import redacted
from imagemake.core.recipe import Recipe
from imagemake.core.text import printable
from imagemake.plugins.providers import Connection, Dialect, FailureKind, ImageResponse, ProviderError, SeedUse
from imagemake.plugins.providers.connection import is_of_domain
from imagemake.plugins.providers.http.answers import image_of, parsed, read_again
from imagemake.plugins.providers.http.client import HttpClient
from imagemake.plugins.providers.http.error_text import retry_after_s
from imagemake.plugins.providers.http.errors import error_of
from imagemake.plugins.providers.queue import GONE, Pending, QueueProvider, Ticket
from imagemake.plugins.providers.sizes import Size, parse_size

if TYPE_CHECKING:
    from imagemake.plugins.providers.http.download import Downloads

PASSING = (408, 409, 425, 429)  # with 5xx: nothing is said about the request
_NOT_THERE = (404, 410)
MOST_OF_WORDS = 500
_NUMBER = re.compile(r"[!-~]{1,200}")
_URL = re.compile(r"[!-~]{1,2000}")  # the journal has it, and every parser reads it the same way
MOST_EXACT = 2**53  # what a number in JSON is sure to hold
SEEDED = Dialect(seed="seed")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered.

    Attributes:
        status: HTTP status.
        body: All of it.
        headers: By lower-case name.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Mapping[str, Any]:
        """The parsed body; empty if it is no JSON object."""
        found = parsed(self.body)
        return found if isinstance(found, Mapping) else {}

    def error(self) -> ProviderError:
        """Return what it means if its status says that it is an error."""
        return error_of(self.status, self.body, self.headers)


class HttpQueue(QueueProvider):
    """A queue that is spoken to over HTTP.

    Attributes:
        own_base_url: Address of the vendor's servers.
        cancel_method: HTTP method of the call that cancels a request, where the API has one.
    """

    paid: ClassVar[bool] = True
    own_base_url: ClassVar[str]
    cancel_method: ClassVar[str] = "POST"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        assert self.key_variable is not None
        assert self.domain is not None
        self._address = connection.base_url or self.own_base_url
        key = connection.key(self.key_variable, self.domain)
        headers = {**(self.key_header(key) if key else {}), **connection.headers}
        self._client = HttpClient(self._address, connection.timeout_s, headers)

    def key_header(self, key: str) -> dict[str, str]:
        """Return the header that carries the key."""
        return {"Authorization": f"Bearer {key}"}

    @abstractmethod
    async def send(self, recipe: Recipe, images: Mapping[str, bytes]) -> Reply:
        """Send the one call that puts a request into the queue."""

    @abstractmethod
    def ticket_in(self, answer: Mapping[str, Any], recipe: Recipe) -> Ticket:
        """Return the ticket in the answer to a submission; one without an ID if the answer has none."""

    def number_in(self, answer: Mapping[str, Any]) -> object:
        """Return the ID of the request that a submission or a state is about."""
        return answer.get("id")

    @abstractmethod
    async def look(self, ticket: Ticket) -> Pending | ImageResponse:
        """Ask once what became of a request; see `poll`."""

    @abstractmethod
    def image_urls(self, answer: Mapping[str, Any]) -> Sequence[object]:
        """Return the URLs of the images in the response to a request that succeeded."""

    async def ask(self, method: str, url: str, **content: Any) -> Reply:
        """Send one request; see `HttpClient.send`."""
        answer = await self._client.send(method, url, **content)
        return Reply(answer.status, answer.body, answer.headers)

    async def submit(self, recipe: Recipe, images: Mapping[str, bytes]) -> Ticket:
        """Put a request into the queue, by exactly one call."""
        reply = await self.send(recipe, images)
        if not 200 <= reply.status < 300:
            raise self.error_in(reply)
        ticket = self.ticket_in(reply.json, recipe)
        if not ticket.id:
            told = redacted(reply.body.decode("utf-8", "replace"))  # before it is cut: half a key is no known secret
            message = in_words(f"the answer to the submission names no request: {told}")
            raise ProviderError(message, FailureKind.UNKNOWN, code="no_ticket", status=reply.status)
        return ticket

    async def poll(self, ticket: Ticket) -> Pending | ImageResponse:
        """Ask once what became of a request."""
        try:
            return await self.look(ticket)
        except ProviderError as error:
            if error.failure is not FailureKind.UNKNOWN or error.code == GONE:
                raise
            return Pending(str(error))  # no answer: to ask again costs nothing

    async def ask_about(self, ticket: Ticket) -> Reply | Pending:
        """Ask for the state of a ticket.

        Raises:
            ProviderError: With the code `GONE` if the provider does not know the ticket, and `STOP` if it rejects the
                question, which says nothing about the request.
        """
        reply = await self.ask("GET", self.url_of(ticket, "status"))
        if reply.status in _NOT_THERE:
            raise lost(f"the provider no longer has request {ticket.id} (HTTP {reply.status})", reply.status)
        if reply.status in PASSING or reply.status >= 500:
            return Pending(f"HTTP {reply.status}", retry_after_s(reply.headers))
        if reply.status >= 300:
            error = self.error_in(reply)
            raise ProviderError(str(error), FailureKind.STOP, code=error.code, status=reply.status, remedy=error.remedy)
        about = self.number_in(reply.json)
        if isinstance(about, str) and redacted(about) != ticket.id:  # a cache between, or a server that mixes them up
            return Pending(in_words(f"the answer is about another request, {about}"))
        return reply

    def ticket(self, number: object, own: Mapping[str, str], given: Mapping[str, object]) -> Ticket:
        """Return a ticket.

        Args:
            number: The provider's ID of the request; anything else is none.
            own: Paths as the API builds them, by what for, with ``{id}`` for the ID.
            given: URLs as the server says them. One that leads to anybody else is ignored: the key is sent there.
        """
        known = number if isinstance(number, str) and _NUMBER.fullmatch(number) else ""
        urls = {what: f"{self._client.base}/{path.replace('{id}', quote(known, '-'))}" for what, path in own.items()}
        led = {what: url for what, url in given.items() if isinstance(url, str) and self._is_own(url)}
        return Ticket(known, {**urls, **{what: url for what, url in led.items() if what in own}})

    def url_of(self, ticket: Ticket, what: str) -> str:
        """Return a URL of a ticket.

        Raises:
            ProviderError: If it leads to another server, as after a change of the address.
        """
        url = ticket.urls.get(what, "")
        if not self._is_own(url):
            message = f"the URL of request {ticket.id} leads to another server; the server is {self._address}"
            remedy = "Set model.base_url back until the image is there."
            raise ProviderError(message, FailureKind.STOP, code="other_server", remedy=remedy)
        return url

    def _is_own(self, url: str) -> bool:
        if not _URL.fullmatch(url):
            return False
        try:
            asked, own = urlsplit(url), urlsplit(self._address)
            same = (asked.scheme, asked.hostname, asked.port) == (own.scheme, own.hostname, own.port)
        except ValueError:  # an invalid port
            return False
        return same or (is_of_domain(self._address, self.domain) and is_of_domain(url, self.domain))

    def error_in(self, reply: Reply) -> ProviderError:
        """Return what an error response means."""
        return reply.error()

    def result(self, ticket: Ticket, reply: Reply) -> ImageResponse:
        """Take the image out of the response to a request that succeeded.

        Raises:
            ProviderError: `TO_FETCH` if it is at a URL; `UNREADABLE` if there is none.
        """
        return image_of(self._as_data(reply.json), reply.body, {"x-request-id": ticket.id})

    async def read_again(self, body: bytes) -> ImageResponse:
        """Fetch the image of a response that was kept."""
        found = parsed(body)
        answer = found if isinstance(found, Mapping) else {}
        image = await read_again(self._as_data(answer), body, self._downloads)
        seed = self.seed_in(answer)
        return replace(image, seed=seed if isinstance(seed, int) and abs(seed) < MOST_EXACT else None)

    def seed_in(self, answer: Mapping[str, Any]) -> object:
        """Return the seed that the response says was used."""
        return answer.get("seed")

    def seed_use(self, model: str) -> SeedUse:
        """Return what becomes of the seed in calls to a model."""
        dialect = self.connection.dialect(model, SEEDED)
        return SeedUse.NOT_SENT if dialect.seed is None else SeedUse.SENT

    def _as_data(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer in the form that every server with OpenAI's API has."""
        urls = [url for url in self.image_urls(answer) if isinstance(url, str)]
        return {"data": [{"url": url} for url in urls], "usage": answer.get("usage")}

    @cached_property
    def _downloads(self) -> Downloads:
        from imagemake.plugins.providers.http.download import Downloads

        return Downloads(self._address, self.connection.timeout_s)

    def fields(self, recipe: Recipe) -> dict[str, Any]:
        """Return the prompt, the seed, and the parameters except the size."""
        dialect = self.connection.dialect(recipe.model, SEEDED)
        fields: dict[str, Any] = {**dialect.fixed, **recipe.parameters, "prompt": recipe.prompt}
        fields.pop("size", None)
        if recipe.negative_prompt is not None:
            fields["negative_prompt"] = recipe.negative_prompt
        if dialect.seed is not None:
            fields[dialect.seed] = recipe.seed
        return fields

    async def cancel(self, ticket: Ticket) -> None:
        """Take a request out of the queue."""
        reply = await self.ask(self.cancel_method, self.url_of(ticket, "cancel"))
        if reply.status >= 400:
            raise self.error_in(reply)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def lost(message: str, status: int | None = None) -> ProviderError:
    """Return the error of a request that the provider does not know: it may have been billed, and its image is lost."""
    return ProviderError(message, FailureKind.UNKNOWN, code=GONE, status=status)


def in_words(told: object) -> str:
    """Return what a server said, for people: one line, printable, and not too long."""
    return printable(" ".join(str(told).split()))[:MOST_OF_WORDS]


def size_of(recipe: Recipe) -> Size | str | None:
    """Return the size of a recipe; as it is written if it is a name, and None if there is none."""
    written = recipe.parameters.get("size")
    return None if written is None else parse_size(written) or str(written)


def size_fields(recipe: Recipe) -> dict[str, Any]:
    """Return the size as width and height, or as a ratio with its tier."""
    size = size_of(recipe)
    if not isinstance(size, Size):
        return {} if size is None else {"size": size}
    if size.is_pixels:
        return {"width": size.width, "height": size.height}
    return {"aspect_ratio": size.ratio, **({"resolution": size.tier} if size.tier else {})}


def refused(message: str, code: str, ticket: Ticket, *, billed: bool = False) -> ProviderError:
    """Return the error of a request that the provider's moderation ended, before or (billed) after it was made."""
    usage, kind = {"images": 1} if billed else None, FailureKind.REFUSED
    return ProviderError(in_words(message), kind, code=code, status=200, request_id=ticket.id, usage=usage)


def failed(message: str, ticket: Ticket, code: str | None = None, *, again: bool = True) -> ProviderError:
    """Return the error of a request that ended without an image; `again` if the same request may succeed."""
    kind = FailureKind.UNAVAILABLE if again else FailureKind.NOT_RETRYABLE
    return ProviderError(in_words(message), kind, code=code, status=200, request_id=ticket.id)
