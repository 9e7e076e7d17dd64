"""Request files for a Batch API: one request per line, within the limits of a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from imagemake.core.recipe import Recipe
from imagemake.store.items import Item

Request = Callable[[Recipe], tuple[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class FileLimits:
    """The limits of one file.

    Attributes:
        lines: Most requests. Source: OpenAI's Batch API.
        size_bytes: Most bytes; "200 MB" in its smaller meaning.
    """

    lines: int = 50_000
    size_bytes: int = 200 * 10**6


OF_A_FILE = FileLimits()


def groups_of(items: Sequence[Item], request: Request, limits: FileLimits = OF_A_FILE) -> list[list[Item]]:
    """Divide items into files: one endpoint and one model per file, and none over the limits.

    Args:
        items: The items to request.
        request: Returns the endpoint and the body of a recipe's line.
        limits: Limits of one file. A line above the limit gets a file of its own, and the provider rejects it.
    """
    groups: dict[tuple[str, str], list[list[Item]]] = defaultdict(list)
    sizes: dict[tuple[str, str], int] = {}
    for item in items:
        endpoint, _ = request(item.recipe)
        kind = (endpoint, item.recipe.model)
        size = len(_line("0" * 32, item, request))
        full = groups[kind] and (len(groups[kind][-1]) >= limits.lines or sizes[kind] + size > limits.size_bytes)
        if full or not groups[kind]:
            groups[kind].append([])
            sizes[kind] = 0
        groups[kind][-1].append(item)
        sizes[kind] += size
    return [group for of_kind in groups.values() for group in of_kind]


def write_lines(path: Path, calls: Mapping[str, Item], request: Request) -> None:
    """Write the request file of some calls, line by line to save memory.

    Args:
        path: Where to write; the folder must exist.
        calls: Items by call ID, which becomes the ``custom_id`` of the line.
        request: Returns the endpoint and the body of a recipe's line.
    """
    with path.open("wb") as file:
        file.writelines(_line(call, item, request) for call, item in calls.items())


def _line(call: str, item: Item, request: Request) -> bytes:
    endpoint, body = request(item.recipe)
    line = {"custom_id": call, "method": "POST", "url": endpoint, "body": body}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
