"""The cards of the contact sheet: what it shows of each request, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from imagemake.release.manifest.row import ManifestRow
from imagemake.release.metrics.reasons import reason_code


def card_of(entry: ManifestRow, shown: Mapping[str, str], family: Sequence[Any] | None) -> dict[str, Any]:
    """Return the card of a request.

    Args:
        entry: The request.
        shown: Addresses of thumbnails, as `imagemake.release.report.shown.Shown` has them.
        family: From `imagemake.release.report.facts.families`.
    """
    card = entry.facts()
    del card["closed_at"], card["by_people"]
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
