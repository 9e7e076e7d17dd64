"""The SDK's client for a server, without what the SDK would send by itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl

from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.plugins.providers.connection import Connection, is_of_domain
from imagemake.plugins.providers.http.client import sendable, whole_body
from imagemake.plugins.providers.http.network import client_for, tls_context
from imagemake.plugins.providers.http.pools import Pools
from imagemake.plugins.providers.openai.azure import KEY_HEADER, EntraTokens, has_credentials, is_azure
from imagemake.plugins.providers.openai.errors import KEY_VARIABLE, translated_errors

if TYPE_CHECKING:
    from httpx2 import Request, Response
    from openai import AsyncOpenAI

T = TypeVar("T")
OWN_BASE_URL = "https://api.openai.com/v1"
OWN_DOMAIN = "openai.com"
_BOUNDED = ("/images/", "/decisions", "/chat/", "/moderations")  # files of batches are read piece by piece


def clients_of(connection: Connection) -> tuple[str, Pools[AsyncOpenAI]]:
    """Return the address without its query, and clients that send each request once, with no key but its own.

    Azure's servers get a key in their own header. If none is named for them, the clients sign in with Entra ID.

    Raises:
        ProviderError: If the key of the server is not in the environment or cannot be sent, signing in needs a package,
            or a variable for proxies or certificates is wrong.
    """
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    key = connection.key(KEY_VARIABLE, OWN_DOMAIN)
    headers = sendable(connection.headers)
    sendable({"authorization": key or ""})
    # The SDK would append paths to the query of an address.
    address, _, query = (connection.base_url or OWN_BASE_URL).partition("?")
    is_own = is_of_domain(address, OWN_DOMAIN)
    unwanted = _unwanted(connection, is_own=is_own)
    azure = is_azure(address)
    tokens = EntraTokens() if azure and key is None and not has_credentials(connection.headers) else None

    tls = tls_context()

    def make() -> AsyncOpenAI:
        async def clean(request: Request) -> None:
            for name in unwanted:
                request.headers.pop(name, None)
            if is_own or "authorization" not in unwanted:  # the user names another one in headers
                return
            if key is not None and azure:
                request.headers.setdefault(KEY_HEADER, key)
            elif key is not None or tokens is not None:  # OPENAI_CUSTOM_HEADERS may have another
                request.headers["authorization"] = f"Bearer {key or client.api_key}"

        hooks = {"request": [clean], "response": [_bound]}
        client = AsyncOpenAI(
            api_key=tokens or key or "none",  # the SDK requires one, and asks for a token before each request
            base_url=address,
            default_headers=headers,
            default_query=dict(parse_qsl(query, keep_blank_values=True)),
            timeout=connection.timeout_s,
            max_retries=0,
            http_client=client_for(DefaultAsyncHttpxClient, tls, event_hooks=hooks),
        )
        return client

    return address, Pools(make)


async def whole_answer(clients: Pools[AsyncOpenAI], timeout_s: float, ask: Callable[[AsyncOpenAI], Awaitable[T]]) -> T:
    """Send one request, and wait for its whole response.

    Args:
        clients: Clients of the server.
        timeout_s: Longest wait, in seconds.
        ask: Sends the request.

    Raises:
        ProviderError: If the response is an error, or none came.
    """
    try:
        # The SDK's timeout applies to each read, so a slow but steady response would never reach it.
        async with asyncio.timeout(timeout_s):
            with clients.taken() as client, translated_errors():
                return await ask(client)
    except TimeoutError:
        message = f"no complete response within {timeout_s:g} s"
        raise ProviderError(message, FailureKind.UNKNOWN, code="no_answer") from None


async def _bound(response: Response) -> None:
    """Let the SDK read only so much of a response with images; it reads files of batches piece by piece."""
    if not any(part in response.request.url.path for part in _BOUNDED):
        return

    async def bounded() -> AsyncGenerator[bytes]:
        # The class's method again: a response that held itself would stay in memory with its image.
        del response.aiter_bytes
        yield await whole_body(response)

    response.aiter_bytes = lambda *_: bounded()  # type: ignore[method-assign]  # which the library's aread() reads


def _unwanted(connection: Connection, *, is_own: bool) -> set[str]:
    """Return the headers, in lower case, that the SDK takes from its variables and that this server must not get."""
    if is_own:
        return set()
    # From OPENAI_ORG_ID, OPENAI_PROJECT_ID, and OPENAI_CUSTOM_HEADERS.
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines()
    custom = {line.partition(":")[0].strip().lower() for line in lines}
    given = {name.lower() for name in connection.headers}
    return {"authorization", "openai-organization", "openai-project", *custom} - given
