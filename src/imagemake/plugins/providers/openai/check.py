"""Whether a server is there, accepts the key, and knows a model: by its list of models, which costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from imagemake.core.text import did_you_mean, printable
from imagemake.plugins.providers import FailureKind, ProviderError, ServerCheck
from imagemake.plugins.providers.openai.errors import connection_error, status_error

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_NO_SUCH_CALL = (404, 405, 501)  # many compatible servers have no list of models


async def check_model(client: AsyncOpenAI, model: str, timeout_s: float) -> ServerCheck:
    """Look for a model in the list of models.

    Raises:
        ProviderError: If the server is out of reach, or refuses the key.
    """
    import openai

    try:
        async with asyncio.timeout(timeout_s):
            response = await client.models.with_raw_response.list()
    except TimeoutError:
        raise ProviderError(f"no response within {timeout_s:g} s", FailureKind.UNREACHABLE) from None
    except openai.APIStatusError as error:
        if error.status_code in _NO_SUCH_CALL:
            return ServerCheck("the server is there, but has no list of models", time=_time_in(error.response.headers))
        raise status_error(error) from None
    except openai.APIConnectionError as error:
        raise connection_error(error) from None
    time = _time_in(response.headers)
    try:
        known = sorted(str(one.id) for one in response.parse().data)
    except Exception:  # the server may answer anything
        return ServerCheck("the server is there, but its list of models cannot be read", time=time)
    if model in known:
        return ServerCheck("the server knows it", time=time)
    near = printable(did_you_mean(model, known))
    return ServerCheck(f"the server lists {len(known)} models, and not this one. {near}".rstrip(), True, time)


def _time_in(headers: Mapping[str, str]) -> datetime | None:
    try:
        time = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError, TypeError, IndexError):
        return None
    return time if time.tzinfo else None
