"""The cards of the contact sheet: what it shows of each request, as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from imagemake.config.references import OWN_IMAGE
from imagemake.release.manifest.row import ManifestRow
from imagemake.release.metrics.reasons import reason_code

_DIGITS = re.compile(r"(\d+)")


def by_name(entries: Iterable[ManifestRow]) -> list[ManifestRow]:
    """Sort requests by name as people do: A2 before A10, and capital letters beside small ones."""
    return sorted(entries, key=lambda entry: (_natural(entry.name), entry.name))


def families(entries: Iterable[ManifestRow]) -> dict[str, tuple[str, int]]:
    """Return the first image of each image's family, and how many steps away that is; empty if there are no families.

    A family is what is made from one image.
    """
    parent_of = {
        entry.name: parent.removeprefix(OWN_IMAGE)
        for entry in entries
        if (parent := next((one for one in entry.references if one.startswith(OWN_IMAGE)), None))
    }
    ways: dict[str, tuple[str, int]] = {}
    for name in parent_of:
        chain = [name]
        while chain[-1] not in ways and chain[-1] in parent_of:
            chain.append(parent_of[chain[-1]])
        first, far = ways.get(chain[-1], (chain[-1], 0))
        for further, one in enumerate(reversed(chain)):
            ways[one] = first, far + further
    return ways


def card_of(entry: ManifestRow, shown: Mapping[str, str], family: Sequence[Any] | None) -> dict[str, Any]:
    """Return the card of a request.

    Args:
        entry: The request.
        shown: Addresses of thumbnails, as `imagemake.release.report.shown.shown_thumbnails` returns them.
        family: From `families`.
    """
    card = entry.facts()
    card["family"] = family
    card["href"] = href_of(file) if (file := card.pop("file")) else None
    card["outputs"] = [
        {"label": label, "href": href, "size_px": [one.width_px, one.height_px], "bytes": one.bytes}
        for label, one in entry.outputs.items()
        if (href := href_of(one.file))
    ]
    card["thumbnail"] = shown.get(entry.name)
    card["called"] = entry.made or bool(entry.history)
    card["codes"] = sorted({reason_code(reason) for reason in entry.reasons})
    card["history"] = [
        {**earlier, "thumbnail": shown.get(f"{entry.name}@{place}")} for place, earlier in enumerate(entry.history)
    ]
    # Omit absent values: for 10,000 requests, they would be a fifth of the page.
    return {field: value for field, value in card.items() if value or not _absent(value)}


def href_of(file: str) -> str | None:
    """Return a link to a file in the release folder; None if its path leaves the folder."""
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts:
        return None
    return "/".join(quote(part, safe="") for part in path.parts)


def _absent(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, tuple | list | dict) and not value)


def _natural(name: str) -> list[Any]:
    parts = _DIGITS.split(name.casefold())
    parts[1::2] = map(int, parts[1::2])
    return parts
