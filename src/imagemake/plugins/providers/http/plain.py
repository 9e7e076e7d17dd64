"""Plain calls of a server: each is one request without retries or redirects, and with bounded size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.plugins.providers.http.answers import parsed
from imagemake.plugins.providers.http.errors import connection_error, error_of

if TYPE_CHECKING:
    import httpx2

MOST_BYTES = 96 * 1024**2


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


class PlainServer:
    """Calls one server.

    Args:
        address: Its address; relative paths are joined to it, and its query is sent with every call.
        headers: Headers of every call, such as the key.
        timeout_s: Longest wait for a complete response, in seconds.
    """

    def __init__(self, address: str, headers: Mapping[str, str], timeout_s: float) -> None:
        base, _, query = address.partition("?")
        self.base = base.rstrip("/")
        self._query, self._headers, self._timeout_s = parse_qsl(query, keep_blank_values=True), headers, timeout_s

    async def ask(self, method: str, url: str, *, headers: Mapping[str, str] | None = None, **content: Any) -> Reply:
        """Send one request.

        Args:
            method: HTTP method.
            url: A path from the address, or a complete URL, which the caller has checked: the key is sent there.
            headers: Further headers.
            content: What to send, as httpx2 takes it, such as ``json``.

        Raises:
            ProviderError: If no complete response came: `UNREACHABLE` if nothing was sent, or else `UNKNOWN`.
        """
        import httpx2

        whole = url if "://" in url else f"{self.base}/{url.lstrip('/')}"
        if self._query:
            content["params"] = self._query
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream(method, whole, headers=headers, **content) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise ProviderError(f"a response of more than {MOST_BYTES:,} bytes", FailureKind.UNKNOWN)
                names = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status_code, bytes(body), names)
        except TimeoutError:
            message = f"no complete response within {self._timeout_s:g} s"
            raise ProviderError(message, FailureKind.UNKNOWN, code="no_answer") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            parts = urlsplit(whole)
            raise connection_error(error, f"{parts.scheme}://{parts.netloc}") from None

    @cached_property
    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        return httpx2.AsyncClient(headers=dict(self._headers), timeout=self._timeout_s, follow_redirects=False)

    async def close(self) -> None:
        """Close the connections."""
        if "_client" in self.__dict__:
            await self._client.aclose()
