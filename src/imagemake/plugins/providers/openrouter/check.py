"""Whether OpenRouter is there, accepts the key, and knows a model: by calls that cost nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagemake.core.text import did_you_mean, printable
from imagemake.plugins.providers import ServerCheck
from imagemake.plugins.providers.http.answers import parsed
from imagemake.plugins.providers.http.client import HttpClient
from imagemake.plugins.providers.http.clock import server_time
from imagemake.plugins.providers.openrouter.amounts import amount
from imagemake.plugins.providers.openrouter.errors import error_of

MOST_LEFT_USD = 10**9


async def check_model(client: HttpClient, model: str) -> ServerCheck:
    """Ask what is left of the key's limit, and look for a model in the list of image models.

    Raises:
        ProviderError: If the server is out of reach, or refuses the key.
    """
    key = await client.get("/key")
    if key.status not in (200, 404):  # a proxy may have no such route
        raise error_of(key)
    listed = await client.get("/images/models")
    if listed.status != 200:
        raise error_of(listed)
    time = server_time(listed.headers)
    answer = parsed(listed.body)
    data = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(data, list):
        return ServerCheck("the server is there, but its list of models cannot be read", time=time)
    known = sorted(one["id"] for one in data if isinstance(one, Mapping) and isinstance(one.get("id"), str))
    if model in known:
        return ServerCheck(f"the server knows it{_left(parsed(key.body))}", time=time)
    near = printable(did_you_mean(model, known))
    return ServerCheck(f"the server lists {len(known)} image models, and not this one. {near}".rstrip(), True, time)


def _left(answer: Any) -> str:
    data = answer.get("data") if isinstance(answer, Mapping) else None
    left = amount(data.get("limit_remaining"), MOST_LEFT_USD) if isinstance(data, Mapping) else None
    return "" if left is None else f"; ${left:,.2f} of the key's limit is left"
