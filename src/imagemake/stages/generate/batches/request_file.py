"""The files that go to a Batch API: one request a line, within what a file may hold."""

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
    """What one file may hold.

    Attributes:
        lines: Most requests. Source: OpenAI's Batch API.
        size_bytes: Most bytes; of "200 MB" the smaller reading.
    """

    lines: int = 50_000
    size_bytes: int = 200 * 10**6


OF_A_FILE = FileLimits()


def groups_of(items: Sequence[Item], request: Request, limits: FileLimits = OF_A_FILE) -> list[list[Item]]:
    """Divide items into files: of one endpoint and one model each, and none over the limits.

    Args:
        items: What is asked for.
        request: Gives the endpoint and the body of a recipe's line.
        limits: What one file may hold; a line that is larger by itself goes alone, and the provider says so.
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
    """Write the file of some calls, line by line, so that it is never in memory as a whole.

    Args:
        path: Where it goes; its folder exists.
        calls: Item by the call's name, which becomes the line's ``custom_id``.
        request: Gives the endpoint and the body of a recipe's line.
    """
    with path.open("wb") as file:
        file.writelines(_line(call, item, request) for call, item in calls.items())


def _line(call: str, item: Item, request: Request) -> bytes:
    endpoint, body = request(item.recipe)
    line = {"custom_id": call, "method": "POST", "url": endpoint, "body": body}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
