"""The contact sheet: an HTML page to look through and search a release, which says why images are missing.

Up to some thousand requests, everything is in one file, which can be sent to others. Above, the file has only the
figures, and reads everything else from its parts, so that it opens fast and a change rewrites little.

Everything in it may come from a hostile catalog or provider. Therefore the page's script reads it only as JSON and
inserts it only as text, and the content security policy allows only our own script and style, and nothing external.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from imagemake.core.files import write_whole
from imagemake.core.text import duration_words
from imagemake.release.manifest.chunks.chunk import Chunk
from imagemake.release.manifest.chunks.order import order_of
from imagemake.release.manifest.chunks.pieces import Pieces
from imagemake.release.report.cards import card_of, href_of
from imagemake.release.report.facts import PageFacts, by_chunk, comparable, families
from imagemake.release.report.one_file import data_url, embedded, own_text, template
from imagemake.release.report.parts import Parts
from imagemake.release.report.shown import Shown, Sources
from imagemake.release.report.thumbnails import Thumbnails
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


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows beside its requests.

    Attributes:
        title: Name of the release.
        metrics: From `imagemake.release.metrics.metrics.metrics_of`.
        thumbnails: Where thumbnails come from. Only those in the page are looked up.
        max_thumbnails: Most thumbnails in the page. Images that were not accepted come first. The others load from
            their files.
        variables: Columns to compare side by side if they have several values. Takes can also be compared.
        sheets: Sheets of the release, as paths from its folder.
    """

    title: str
    metrics: Mapping[str, Any]
    thumbnails: Thumbnails
    max_thumbnails: int
    variables: Sequence[str] = ()
    sheets: Sequence[str] = ()


def write_contact_sheet(
    path: Path, chunks: Sequence[Chunk], facts: Sequence[PageFacts], page: Page, pieces: Pieces
) -> None:
    """Write the page; equal arguments give equal bytes.

    Args:
        path: Path of the page, in the release folder: links to `ManifestRow.file` are relative to it. Its parts are in
            a folder beside it, with its name but no suffix.
        chunks: The requests.
        facts: Of each chunk.
        page: What else the page shows.
        pieces: Keeps what is made of each chunk.

    Raises:
        ValueError: If a thumbnail is neither JPEG nor WebP.
    """
    family_of = families({name: parent for one in facts for name, parent in one.parents.items()})
    parts = Parts(path.with_suffix(""), pieces)
    in_parts = sum(chunk.n for chunk in chunks) > MOST_IN_ONE_FILE
    put = (parts.thumbnail, parts.is_there) if in_parts else (data_url, lambda _: True)
    sources = Sources(page.thumbnails, *put)
    shown = Shown(chunks, facts, page.max_thumbnails, sources, pieces if in_parts else Pieces(None))
    data: dict[str, Any] = {"words": VERDICTS, "variables": list(page.variables), "references": shown.references}
    n_shown = n_images = 0
    if in_parts:
        families_of = by_chunk(family_of, [order_of(chunk.first) for chunk in chunks])
        data["lists"] = []
        for chunk, own_shown, own_families in zip(chunks, shown.of_chunk, families_of, strict=True):
            data["lists"].append(parts.list_of(chunk, own_shown, own_families))
            chunk.forget()
    else:
        rows = [row for chunk in chunks for row in chunk.rows()]
        names = {name: address for one in shown.of_chunk for name, address in one.items()}
        data["entries"] = [card_of(row, names, family_of.get(row.name)) for row in rows]
        n_shown = sum(row.name in names for row in rows)
        n_images = sum(row.file is not None or row.raw_digest is not None or row.name in names for row in rows)
    metrics = page.metrics
    content = template("imagemake.release", "report", "sheet.html.j2", _FILTERS).render(
        title=page.title,
        metrics=metrics,
        models=sorted({model for one in facts for model in one.models}),
        verdicts=[(verdict, word, metrics[verdict]) for verdict, word in VERDICTS.items() if metrics[verdict]],
        bar=_bar([(verdict, metrics[verdict]) for verdict in VERDICTS]),
        compare=comparable(facts, page.variables),
        has_families=bool(family_of),
        sheets=[(PurePosixPath(sheet).stem, href) for sheet in page.sheets if (href := href_of(sheet))],
        in_parts=in_parts,
        thumbnails_shown=n_shown,
        images=n_images,
        style=own_text("sheet.css"),
        script="".join(map(own_text, ("shared.js", "reading.js", "sheet.js"))),
        data=embedded(data),
    )
    write_whole(path, content.encode())
    parts.remove_others()


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
