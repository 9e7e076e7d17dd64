"""Calls of an API over plain HTTP: each request is sent once, and each response is bounded in size and in time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from imagemake import __version__
from imagemake.core.text import printable
from imagemake.plugins.providers.failures import FailureKind, ProviderError
from imagemake.plugins.providers.http.connecting import connection_error
from imagemake.plugins.providers.http.errors import REMEDIES
from imagemake.plugins.providers.http.network import client_for, tls_context
from imagemake.plugins.providers.http.pools import Pools

if TYPE_CHECKING:
    import httpx2

# What an image of 96 MiB takes in base64, with the rest of a response.
MOST_BYTES = 129 * 1024**2


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete response.

    Attributes:
        status: HTTP status; a redirect is not followed.
        headers: By lower-case name.
        body: All of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Calls one server.

    Args:
        address: Its address; what follows a ``?`` is sent with every call.
        timeout_s: Longest time for one response, in seconds.
        headers: Headers of every call, such as the one with the key.

    Raises:
        ProviderError: `FailureKind.STOP`, if a header cannot be sent, such as a key with a line end in it, or a
            variable for proxies or certificates is wrong.
    """

    def __init__(self, address: str, timeout_s: float, headers: Mapping[str, str]) -> None:
        base, _, query = address.partition("?")
        self.base = base.rstrip("/")
        self.timeout_s = timeout_s
        self._headers = sendable(headers)
        self._query = dict(parse_qsl(query, keep_blank_values=True))
        self._tls = tls_context()
        self._pools = Pools(self._client)

    async def get(self, url: str) -> HttpAnswer:
        """Ask for something that costs nothing, and return the whole response, whatever its status is.

        Raises:
            ProviderError: `FailureKind.UNREACHABLE`, if no complete response came; `FailureKind.STOP`, if none can come
                until the user does something.
        """
        try:
            return await self.send("GET", url)
        except ProviderError as error:
            kind = error.failure if error.failure is FailureKind.STOP else FailureKind.UNREACHABLE
            raise ProviderError(str(error), kind, code=error.code, remedy=error.remedy) from None

    async def send(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        own_headers: bool = True,
        timeout_s: float | None = None,
    ) -> HttpAnswer:
        """Send one request and return the whole response, whatever its status is.

        Args:
            method: Such as ``POST``.
            url: Absolute, or relative to the server's address.
            json: Plain data for the body.
            content: The body, if it is not JSON.
            headers: Further headers.
            own_headers: Whether to send the headers of every call; never to another server.
            timeout_s: In place of the client's.

        Raises:
            ProviderError: If no complete response came: `FailureKind.UNREACHABLE` if nothing was sent,
                `FailureKind.STOP` if nothing can be sent until the user does something,
                `FailureKind.UNREADABLE` with what came if the response is too large, else `FailureKind.UNKNOWN`.
        """
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        try:
            # The library's timeout applies to each read, so a slow but steady response would never reach it.
            async with asyncio.timeout(limit_s):
                async with self.stream(
                    method, url, json=json, content=content, headers=headers, own_headers=own_headers
                ) as response:
                    body = await whole_body(response)
        except TimeoutError:
            message = f"no complete response within {limit_s:g} s"
            raise ProviderError(message, FailureKind.UNKNOWN, code="no_answer") from None
        return HttpAnswer(response.status_code, lower_case(response.headers), body)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        own_headers: bool = True,
    ) -> AsyncIterator[httpx2.Response]:
        """Send one request and yield its response, whose body is still to be read; see `send`."""
        import httpx2

        absolute = url if "://" in url else f"{self.base}/{url.lstrip('/')}"
        sent = {**(self._headers if own_headers else {}), **(headers or {})}
        try:
            with self._pools.taken() as client:
                async with client.stream(method, absolute, json=json, content=content, headers=sent) as response:
                    yield response
        except httpx2.InvalidURL as error:
            message = f"the address {printable(absolute)[:200]!r} is invalid: {error}"
            raise ProviderError(
                message, FailureKind.STOP, code="invalid_url", remedy=REMEDIES["configuration"]
            ) from None
        except (httpx2.HTTPError, ssl.SSLError) as error:  # the library lets what TLS says later pass
            raise connection_error(error, server_of(absolute)) from None

    async def close(self) -> None:
        """Close the connections."""
        for pool in self._pools.all:
            await pool.client.aclose()

    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        return client_for(
            httpx2.AsyncClient,
            self._tls,
            params=self._query,
            headers={"User-Agent": f"imagemake/{__version__}"},
            timeout=self.timeout_s,
            limits=httpx2.Limits(max_connections=None),  # the caller decides how many calls are in flight
        )


def sendable(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers, if they can be sent.

    Raises:
        ProviderError: `FailureKind.STOP`, if one cannot, such as a key with a line end or a typographic quote in it.
    """
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            message = f"the header {name} has characters that no header can have"
            remedy = "Correct the environment variable that holds it, such as the server's key."
            raise ProviderError(message, FailureKind.STOP, code="invalid_header", remedy=remedy)
    return dict(headers)


def lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by lower-case name."""
    return {name.lower(): value for name, value in headers.items()}


def server_of(url: str) -> str:
    """Return scheme, host, and port of an address, without what may hold a secret."""
    import httpx2

    parts = httpx2.URL(url)
    return f"{parts.scheme}://{parts.netloc.decode()}"


async def whole_body(response: httpx2.Response) -> bytes:
    """Read a response to its end.

    Raises:
        ProviderError: `FailureKind.UNREADABLE` with what came, if it is too large.
    """
    pieces, n_bytes = list[bytes](), 0
    async for piece in response.aiter_bytes():
        pieces.append(piece)
        n_bytes += len(piece)
        if n_bytes > MOST_BYTES:
            raise ProviderError(
                f"the response has more than {MOST_BYTES:,} bytes",
                FailureKind.UNREADABLE,
                code="too_large",
                status=response.status_code,
                body=b"".join(pieces),
                headers=lower_case(response.headers),
            )
    return b"".join(pieces)
