"""The contact sheet: one HTML file to look through and search a release, which says why images are missing.

Everything in it may come from a hostile catalog or provider. Therefore the page's script reads it only as JSON and
inserts it only as text, and the content security policy allows only our own script and style, and nothing external.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from imagemake.config.references import OWN_IMAGE
from imagemake.core.files import writing
from imagemake.release.manifest.row import ManifestRow
from imagemake.release.metrics.forecast import duration_words
from imagemake.release.metrics.reasons import reason_code
from imagemake.release.report.inlined import inlined_thumbnails, reference_name, reference_users
from imagemake.release.report.one_file import embedded_bytes, own_text, template
from imagemake.release.summary import decided_words

VERDICTS = {
    "accepted": "Accepted",
    "review": "Awaiting review",
    "rejected": "Rejected",
    "refused": "Refused",
    "failed": "Failed",
    "pending": "Not made",
}
_UNKNOWN = "\u2013"
_DATA = "<data>"  # the place of the data in the page: no text of others, since their "<" is escaped
_AT_ONCE = 1_000  # cards


def write_contact_sheet(
    path: Path,
    entries: Iterable[ManifestRow],
    metrics: Mapping[str, Any],
    *,
    title: str,
    thumbnails: Mapping[str, bytes],
    max_thumbnails: int,
    variables: Sequence[str] = (),
    sheets: Sequence[str] = (),
) -> None:
    """Write the page; equal arguments give equal bytes.

    Args:
        path: Path of the page, in the release folder: links to `ManifestRow.file` are relative to it.
        entries: The requests, in any order.
        metrics: From `imagemake.release.metrics.metrics.metrics_of`.
        title: Name of the release.
        thumbnails: JPEG or WebP by request name. Those of earlier attempts are under ``name@place``, those of reference
            images under `reference_name` of their digests. Only those in the page are looked up, so a mapping can make
            them on demand.
        max_thumbnails: Most thumbnails in the page. Images that were not accepted come first. The others load from
            their files.
        variables: Columns to compare side by side if they have several values. Takes can also be compared.
        sheets: Sheets of the release, as paths from its folder.

    Raises:
        ValueError: If a thumbnail is neither JPEG nor WebP.
    """
    entries = sorted(entries, key=lambda entry: entry.name)
    family_of = _families(entries)
    inlined = inlined_thumbnails(entries, thumbnails, max_thumbnails)
    shown = sum(entry.name in inlined for entry in entries)
    images = sum(entry.file is not None or entry.name in inlined or entry.name in thumbnails for entry in entries)
    begin, end = (
        template("imagemake.release", "report", "sheet.html.j2", _FILTERS)
        .render(
            title=title,
            metrics=metrics,
            models=sorted({entry.model for entry in entries}),
            verdicts=[(verdict, word, metrics[verdict]) for verdict, word in VERDICTS.items() if metrics[verdict]],
            bar=_bar([(verdict, metrics[verdict]) for verdict in VERDICTS]),
            compare=_comparable(entries, variables),
            has_families=bool(family_of),
            sheets=[(PurePosixPath(sheet).stem, href) for sheet in sheets if (href := href_of(sheet))],
            thumbnails_shown=shown,
            images=images,
            style=own_text("sheet.css"),
            script=own_text("shared.js") + own_text("sheet.js"),
            data=_DATA,
        )
        .split(_DATA)
    )
    users = reference_users(entries)
    references = {digest: inlined[name] for digest in users if (name := reference_name(digest)) in inlined}
    shared = {"words": VERDICTS, "variables": list(variables), "references": references}
    with writing(path) as file:  # in parts, because the cards of a large release are larger than all else
        file.write(begin.encode())
        file.write(embedded_bytes(shared)[:-1] + b',"entries":[')
        for start in range(0, len(entries), _AT_ONCE):
            cards = [_card(entry, inlined, family_of.get(entry.name)) for entry in entries[start : start + _AT_ONCE]]
            file.write((b"," if start else b"") + embedded_bytes(cards)[1:-1])
        file.write(b"]}" + end.encode())


def _comparable(entries: Sequence[ManifestRow], variables: Sequence[str]) -> list[str]:
    found = [name for name in variables if len({entry.variables.get(name) for entry in entries}) > 1]
    return [*found, "take"] if any(entry.take > 1 for entry in entries) else found


def _families(entries: Sequence[ManifestRow]) -> dict[str, int]:
    """Return the place of each image in an order that keeps those together that are made from each other."""
    parent_of = {
        entry.name: parent
        for entry in entries
        if (parent := next((one for one in entry.references if one.startswith(OWN_IMAGE)), None))
    }
    if not parent_of:
        return {}
    ways: dict[str, tuple[str, int]] = {}  # the first image of the family, and how far away it is

    def way(name: str) -> tuple[str, int]:
        chain = [name]
        while chain[-1] not in ways and chain[-1] in parent_of:
            chain.append(parent_of[chain[-1]].removeprefix(OWN_IMAGE))
        first, far = ways.get(chain[-1], (chain[-1], 0))
        for further, one in enumerate(reversed(chain)):
            ways[one] = first, far + further
        return ways[name]

    ordered = sorted(entries, key=lambda entry: (*way(entry.name), entry.name))
    return {entry.name: place for place, entry in enumerate(ordered)}


def _card(entry: ManifestRow, inlined: Mapping[str, str], family: int | None) -> dict[str, Any]:
    card = entry.facts()
    card["family"] = family
    card["href"] = href_of(file) if (file := card.pop("file")) else None
    card["outputs"] = [
        {"label": label, "href": href, "size_px": [one.width_px, one.height_px], "bytes": one.bytes}
        for label, one in entry.outputs.items()
        if (href := href_of(one.file))
    ]
    card["thumbnail"] = inlined.get(entry.name)
    card["codes"] = sorted({reason_code(reason) for reason in entry.reasons})
    card["history"] = [
        {**earlier, "thumbnail": inlined.get(f"{entry.name}@{place}")} for place, earlier in enumerate(entry.history)
    ]
    # Omit absent values: for 10,000 requests, they would be a fifth of the page.
    return {field: value for field, value in card.items() if value or not _absent(value)}


def _absent(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, tuple | list | dict) and not value)


def href_of(file: str) -> str | None:
    """Return a link to a file in the release folder; None if its path leaves the folder."""
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts:
        return None
    return "/".join(quote(part, safe="") for part in path.parts)


def _bar(counts: Sequence[tuple[str, int]]) -> list[tuple[str, float, float]]:
    total = sum(count for _, count in counts)
    segments, start = [], 0.0
    for verdict, count in counts:
        if count:
            width = 1000 * count / total
            segments.append((verdict, round(start, 2), round(width, 2)))
            start += width
    return segments


def _percent(rate: float | None) -> str:
    return _UNKNOWN if rate is None else f"{100 * rate:.1f}".removesuffix(".0") + "%"


def _usd(cost: float | None) -> str:
    if cost is None:
        return "unknown"
    if cost == 0 or cost >= 1:
        return f"${cost:,.2f}"
    whole, _, decimals = f"{cost:.4f}".rstrip("0").partition(".")
    return f"${whole}.{decimals:0<2}" if cost >= 0.0001 else "under $0.0001"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return _UNKNOWN
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


_FILTERS: Mapping[str, Callable[..., str]] = {
    "percent": _percent,
    "usd": _usd,
    "duration": _duration,
    "long_duration": duration_words,
    "decided": decided_words,
}
