"""Request files for a Batch API: one request per line, within the limits of a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from imagemake.plugins.providers import BatchProvider
from imagemake.store.items import Item


def groups_of(items: Sequence[Item], provider: BatchProvider) -> list[list[Item]]:
    """Divide items into files: one endpoint and one model per file, and none over the limits.

    Args:
        items: The items to request.
        provider: Writes the lines, and has the limits of a file. A line above the limit gets a file of its own, and
            the provider rejects it.
    """
    limits = provider.file_limits
    groups: dict[tuple[str, str], list[list[Item]]] = defaultdict(list)
    sizes: dict[tuple[str, str], int] = {}
    for item in items:
        endpoint, _ = provider.batch_request(item.recipe)
        kind = (endpoint, item.recipe.model)
        size = len(_line("0" * 32, item, provider))
        full = groups[kind] and (len(groups[kind][-1]) >= limits.lines or sizes[kind] + size > limits.size_bytes)
        if full or not groups[kind]:
            groups[kind].append([])
            sizes[kind] = 0
        groups[kind][-1].append(item)
        sizes[kind] += size
    return [group for of_kind in groups.values() for group in of_kind]


def write_lines(path: Path, calls: Mapping[str, Item], provider: BatchProvider) -> None:
    """Write the request file of some calls, line by line to save memory.

    Args:
        path: Where to write; the folder must exist.
        calls: Items by call ID, which names the line.
        provider: Writes the lines.
    """
    with path.open("wb") as file:
        file.writelines(_line(call, item, provider) for call, item in calls.items())


def _line(call: str, item: Item, provider: BatchProvider) -> bytes:
    return orjson.dumps(provider.batch_line(call, item.recipe), option=orjson.OPT_APPEND_NEWLINE)
