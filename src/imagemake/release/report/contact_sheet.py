"""The contact sheet: an HTML page to look through and search a release, which says why images are missing.

Up to some thousand requests, everything is in one file, which can be sent to others. Above, the file has only the
figures, and reads everything else from its parts, so that it opens fast and a change rewrites little.

Everything in it may come from a hostile catalog or provider. Therefore the page's script reads it only as JSON and
inserts it only as text, and the content security policy allows only our own script and style, and nothing external.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from imagemake.core.files import write_whole
from imagemake.release.manifest.row import ManifestRow
from imagemake.release.metrics.forecast import duration_words
from imagemake.release.report.cards import by_name, card_of, families, href_of
from imagemake.release.report.one_file import data_url, embedded, own_text, template
from imagemake.release.report.parts import Parts
from imagemake.release.report.shown import reference_name, reference_users, shown_thumbnails
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
MOST_IN_ONE_FILE = 2_000  # requests


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
        path: Path of the page, in the release folder: links to `ManifestRow.file` are relative to it. Its parts are in
            a folder beside it, with its name but no suffix.
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
    entries = by_name(entries)
    family_of = families(entries)
    parts = Parts(path.with_suffix(""))
    in_parts = len(entries) > MOST_IN_ONE_FILE
    shown = shown_thumbnails(entries, thumbnails, max_thumbnails, parts.thumbnail if in_parts else data_url)
    users = reference_users(entries)
    data: dict[str, Any] = {
        "words": VERDICTS,
        "variables": list(variables),
        "references": {digest: shown[name] for digest in users if (name := reference_name(digest)) in shown},
    }
    if in_parts:
        data["lists"] = parts.lists(entries, shown, family_of)
    else:
        data["entries"] = [card_of(entry, shown, family_of.get(entry.name)) for entry in entries]
    page = template("imagemake.release", "report", "sheet.html.j2", _FILTERS).render(
        title=title,
        metrics=metrics,
        models=sorted({entry.model for entry in entries}),
        verdicts=[(verdict, word, metrics[verdict]) for verdict, word in VERDICTS.items() if metrics[verdict]],
        bar=_bar([(verdict, metrics[verdict]) for verdict in VERDICTS]),
        compare=_comparable(entries, variables),
        has_families=bool(family_of),
        sheets=[(PurePosixPath(sheet).stem, href) for sheet in sheets if (href := href_of(sheet))],
        in_parts=in_parts,
        thumbnails_shown=sum(entry.name in shown for entry in entries),
        images=sum(entry.file is not None or entry.name in shown or entry.name in thumbnails for entry in entries),
        style=own_text("sheet.css"),
        script="".join(map(own_text, ("shared.js", "reading.js", "sheet.js"))),
        data=embedded(data),
    )
    write_whole(path, page.encode())
    parts.remove_others()


def _comparable(entries: Sequence[ManifestRow], variables: Sequence[str]) -> list[str]:
    found = [name for name in variables if len({entry.variables.get(name) for entry in entries}) > 1]
    return [*found, "take"] if any(entry.take > 1 for entry in entries) else found


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
