"""Whether a server is there, accepts the key, and knows a model: by its list of models, which costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from imagemake.core.text import did_you_mean, printable
from imagemake.plugins.providers import FailureKind, ModelList, ProviderError, ServerCheck
from imagemake.plugins.providers.http.clock import server_time
from imagemake.plugins.providers.openai.errors import connection_error, status_error

if TYPE_CHECKING:
    from openai import AsyncOpenAI

LONGEST_NAME = 200
_NO_SUCH_CALL = (404, 405, 501)  # many compatible servers have no list of models


class _Listed(NamedTuple):
    headers: Mapping[str, str]
    has_list: bool = False
    names: tuple[str, ...] | None = None  # None: it cannot be read


async def check_model(
    client: AsyncOpenAI, model: str, timeout_s: float, *, names_deployment: bool = False
) -> ServerCheck:
    """Look for a model in the list of models.

    Args:
        client: Calls the server.
        model: Its name.
        timeout_s: Longest wait.
        names_deployment: Whether `model` is the name of a deployment, which no list has.

    Raises:
        ProviderError: If the server is out of reach, or refuses the key.
    """
    listed = await _ask(client, timeout_s)
    time = server_time(listed.headers)
    if not listed.has_list:
        return ServerCheck("the server is there, but has no list of models", time=time)
    if listed.names is None:
        return ServerCheck("the server is there, but its list of models cannot be read", time=time)
    if model in listed.names:
        return ServerCheck("the server knows it", time=time)
    if names_deployment:
        return ServerCheck("the server is there; whether it has this deployment is told by the first call", time=time)
    near = printable(did_you_mean(model, listed.names))
    return ServerCheck(f"the server lists {len(listed.names)} models, and not this one. {near}".rstrip(), True, time)


async def list_models(client: AsyncOpenAI, timeout_s: float) -> ModelList | None:
    """Ask for the names of the server's models; None if the server has no such list.

    Raises:
        ProviderError: If the server is out of reach, refuses the key, or its list cannot be read.
    """
    listed = await _ask(client, timeout_s)
    if not listed.has_list:
        return None
    if listed.names is None:
        raise ProviderError("the server's list of models cannot be read", FailureKind.UNREADABLE)
    known = [name for name in listed.names if 0 < len(name) <= LONGEST_NAME and name.isprintable()]
    unusable = len(listed.names) - len(known)
    ignored = (f"{unusable} models whose names are no names",) if unusable else ()
    return ModelList(f"{str(client.base_url).rstrip('/')}/models", {name: {} for name in known}, ignored)


async def _ask(client: AsyncOpenAI, timeout_s: float) -> _Listed:
    import openai

    try:
        async with asyncio.timeout(timeout_s):
            response = await client.models.with_raw_response.list()
    except TimeoutError:
        raise ProviderError(f"no response within {timeout_s:g} s", FailureKind.UNREACHABLE) from None
    except openai.APIStatusError as error:
        if error.status_code in _NO_SUCH_CALL:
            return _Listed(error.response.headers)
        raise status_error(error) from None
    except openai.APIConnectionError as error:
        raise connection_error(error) from None
    try:
        return _Listed(response.headers, True, tuple(sorted(str(one.id) for one in response.parse().data)))
    except Exception:  # the server may answer anything
        return _Listed(response.headers, True)
