"""OpenRouter's own list of image models: what each endpoint takes and costs. All of it is checked: a server wrote it.

The list of models has the union of what a model's endpoints take; what holds is each endpoint's own record.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from imagemake.core.text import printable
from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.plugins.providers.http.answers import parsed
from imagemake.plugins.providers.http.client import HttpClient
from imagemake.plugins.providers.listing import ListedEndpoint, ModelList
from imagemake.plugins.providers.openrouter.amounts import amount
from imagemake.plugins.providers.openrouter.errors import error_of
from imagemake.plugins.providers.openrouter.pricing import line_of, price_facts

MOST_MODELS = 500
MOST_ENDPOINTS = 20
MOST_PARAMETERS = 60
MOST_VALUES = 60
MOST_REFERENCES = 1000
AT_ONCE = 4
_NAME = re.compile(r"[A-Za-z0-9~][A-Za-z0-9._~-]{0,79}/[A-Za-z0-9][A-Za-z0-9._:-]{0,119}")
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,79}")
_PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,59}")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .:_/+-]{0,59}")
_ALWAYS = ("provider", "session_id", "user")  # about the request, not the model
_OWN = ("n", "seed", "input_references", "size", "stream")  # not parameters of a campaign, or checked in other ways


async def list_models(client: HttpClient) -> ModelList:
    """Ask for all image models and their endpoints, which costs nothing.

    Raises:
        ProviderError: If the server is out of reach, or has no list that can be read.
    """
    path = "/images/models"
    data = await _get(client, path)
    listed = data.get("data") if isinstance(data, Mapping) else None
    if not isinstance(listed, list):
        raise ProviderError(f"{client.base}{path} has no list of models", FailureKind.UNREADABLE)
    ignored: list[str] = []
    names: dict[str, None] = {}
    for one in listed:
        name = one.get("id") if isinstance(one, Mapping) else None
        if isinstance(name, str) and _NAME.fullmatch(name):
            names[name] = None
        else:
            ignored.append(f"a model with the name {_shown(name)}")
    if len(names) > MOST_MODELS:
        ignored.append(f"all models after the first {MOST_MODELS}")
    found = await _endpoints_of(client, sorted(list(names)[:MOST_MODELS]), ignored)
    return ModelList(client.base + path, found, tuple(ignored))


async def _endpoints_of(
    client: HttpClient, names: list[str], ignored: list[str]
) -> dict[str, dict[str, ListedEndpoint]]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def ask(name: str) -> Any:
        async with turns:
            author, _, slug = name.partition("/")
            try:
                return await _get(client, f"/images/models/{quote(author)}/{quote(slug)}/endpoints")
            except ProviderError as error:
                if error.failure is FailureKind.UNREACHABLE:
                    raise
                return error

    found = {}
    for name, answer in zip(names, await asyncio.gather(*map(ask, names)), strict=True):
        endpoints = answer.get("endpoints") if isinstance(answer, Mapping) else None
        if isinstance(endpoints, list):
            found[name] = dict(read_endpoints(name, endpoints, ignored))
        else:
            why = str(answer) if isinstance(answer, ProviderError) else "they cannot be read"
            ignored.append(f"{name}: its endpoints ({why})")
            found[name] = {}
    return found


async def _get(client: HttpClient, path: str) -> Any:
    response = await client.get(path)
    if response.status != 200:
        raise error_of(response)
    return parsed(response.body)


def read_endpoints(name: str, listed: list[Any], ignored: list[str]) -> Iterator[tuple[str, ListedEndpoint]]:
    """Yield what a model's endpoints take and cost, by the name of each.

    Args:
        name: The model.
        listed: The records of its endpoints, as the server sent them.
        ignored: Gets a line for each thing that cannot be read.
    """
    if len(listed) > MOST_ENDPOINTS:
        ignored.append(f"{name}: all endpoints after the first {MOST_ENDPOINTS}")
    for one in listed[:MOST_ENDPOINTS]:
        slug = one.get("provider_tag") or one.get("provider_slug") if isinstance(one, Mapping) else None
        if not isinstance(slug, str) or not _SLUG.fullmatch(slug):
            ignored.append(f"{name}: an endpoint with the name {_shown(slug)}")
            continue
        raw = one.get("pricing")
        raw_lines = raw[:MOST_VALUES] if isinstance(raw, list) else []
        lines = [line_of(line) for line in raw_lines]
        known = [line for line in lines if line is not None]
        if len(known) < len(lines):
            ignored.append(f"{name} by {slug}: {len(lines) - len(known)} lines of its prices")
        takes = one.get("supported_parameters")
        facts = _facts(takes, f"{name} by {slug}", ignored) if isinstance(takes, Mapping) else {}
        # With a line that cannot be read, the sum is not certain.
        prices = price_facts(known, facts.get("max_reference_images")) if len(known) == len(lines) else {}
        yield slug, ListedEndpoint({**facts, **prices}, tuple(str(line) for line in known))


def _facts(takes: Mapping[Any, Any], where: str, ignored: list[str]) -> dict[str, Any]:
    """Return what an endpoint takes, by the descriptors of its parameters."""
    parameters: dict[str, Any] = {name: {} for name in _ALWAYS}
    for name, descriptor in list(takes.items())[:MOST_PARAMETERS]:
        if not isinstance(name, str) or not _PARAMETER.fullmatch(name):
            ignored.append(f"{where}: a parameter with the name {_shown(name)}")
        elif name not in _OWN:
            rule = _rule(descriptor)
            if rule is None:
                ignored.append(f"{where}: which values {name} takes")
            parameters[name] = rule or {}
    if len(takes) > MOST_PARAMETERS:
        ignored.append(f"{where}: all parameters after the first {MOST_PARAMETERS}")
    facts: dict[str, Any] = {"parameters": parameters, "negative_prompt": False, "mask": False}
    if "seed" not in takes:
        facts |= {"seed_field": None, "determinism": "unseeded"}
    most = _most_references(takes.get("input_references"), known="input_references" in takes)
    return facts if most is None else {**facts, "max_reference_images": most}


def _rule(descriptor: Any) -> dict[str, Any] | None:
    """Return the values that a parameter takes; empty for any, None if that cannot be read."""
    kind = descriptor.get("type") if isinstance(descriptor, Mapping) else None
    if kind == "boolean":
        return {}
    if kind == "range":
        bounds = {name: descriptor.get(name) for name in ("min", "max")}
        is_range = all(isinstance(one, int | float) and not isinstance(one, bool) for one in bounds.values())
        return bounds if is_range else None
    values = descriptor.get("values") if kind == "enum" else None
    if not isinstance(values, list) or not 0 < len(values) <= MOST_VALUES:
        return None
    return {"one_of": values} if all(isinstance(one, str) and _VALUE.fullmatch(one) for one in values) else None


def _most_references(descriptor: Any, *, known: bool) -> int | None:
    if not known:
        return 0
    most = amount(descriptor.get("max"), MOST_REFERENCES) if isinstance(descriptor, Mapping) else None
    return None if most is None else int(most)


def _shown(value: Any) -> str:
    return printable(repr(value))[:60]
