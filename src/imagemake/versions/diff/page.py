"""Writes the page of differences: one HTML file with a slider between both images of each change.

As on the contact sheet, all data is untrusted: the page's script reads it as JSON and inserts it as text only, and the
page's policy allows only its own script and style, and no external resources.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from imagemake.core.files import write_whole
from imagemake.release.report.one_file import data_url, embedded, own_text, template
from imagemake.versions.diff.compare import KINDS, Change
from imagemake.versions.diff.image_changes import Side
from imagemake.versions.diff.marks import REASONS
from imagemake.versions.diff.report import NUMBER_NAMES, DiffReport, difference, new_words, number_words, shown_values
from imagemake.versions.diff.words import word_diff

MAX_LISTED = 10_000  # cards; more would make the page slow
KIND_WORDS = {"changed": "Changed", "added": "Added", "removed": "Removed", "renamed": "Renamed"}
_TEXTS = ("prompt", "negative_prompt")
_LONGEST = 2_000  # characters of a value


def write_page(path: Path, report: DiffReport) -> None:
    """Write the page. Equal reports give equal bytes.

    Args:
        path: Path of the page.
        report: The report. The page contains the images in its `image_changes`.
    """
    images = _Images()
    # If the page cannot list all changes, it lists the most different ones.
    listed = sorted(report.comparison.changes, key=lambda change: _rank(report, change))[:MAX_LISTED]
    cards = [_card(report, change, images) for change in sorted(listed, key=lambda change: change.name)]
    counts = report.comparison.counts()
    page = template("imagemake.versions.diff", "static", "page.html.j2", {}).render(
        before=_encodable(report.before),
        after=_encodable(report.after),
        numbers=list(_numbers(report)),
        new=new_words(report.new),
        counts=[(kind, KIND_WORDS[kind], counts[kind]) for kind in KINDS if counts[kind]],
        unchanged=counts["unchanged"],
        total=len(report.comparison.changes),
        listed=len(listed),
        opened=len(report.image_changes),
        reasons=[(reason, REASONS[reason], n) for reason, n in report.comparison.reasons().items()],
        style=own_text("sheet.css") + own_text("static/page.css", "imagemake.versions.diff"),
        script=own_text("shared.js") + own_text("static/page.js", "imagemake.versions.diff"),
        data=embedded({"cards": cards, "images": list(images.urls)}),
    )
    write_whole(path, page.encode())


class _Images:
    """The images of a page. An image that several cards show is stored once."""

    def __init__(self) -> None:
        self.urls: dict[str, int] = {}

    def place(self, webp: bytes) -> int:
        """Return the index of an image."""
        return self.urls.setdefault(data_url("a change", webp), len(self.urls))


def _rank(report: DiffReport, change: Change) -> tuple[int, float, str]:
    distance = report.distance(change)
    far = distance["delta_e"] if distance["delta_e"] is not None else distance["hash_bits"]
    return 0 if change.name in report.image_changes else 1, -float(far or 0), change.name


def _numbers(report: DiffReport) -> Iterable[tuple[str, str, str, str]]:
    for name, heading in NUMBER_NAMES.items():
        before, after = report.numbers_before[name], report.numbers_after[name]
        if before or after:
            yield heading, number_words(name, before), number_words(name, after), difference(name, before, after)


def _card(report: DiffReport, change: Change, images: _Images) -> dict[str, Any]:
    image_change = report.image_changes.get(change.name)
    before, after = report.verdicts.get(change.name, ("", ""))
    card: dict[str, Any] = {
        "name": change.name,
        "kind": change.kind,
        "reasons": list(change.reasons),
        "verdicts": [before, after],
        "texts": [[column, word_diff(*pair)] for column, pair in change.differences.items() if column in _TEXTS],
        "values": [[column, *map(_cut, pair)] for column, pair in shown_values(change) if column not in _TEXTS],
        **report.distance(change),
    }
    if image_change:
        sides = {"before": image_change.before, "after": image_change.after}
        card.update({side: _side(image, images) for side, image in sides.items() if image is not None})
        card["output"] = image_change.output or None
    return {name: value for name, value in card.items() if value not in (None, [])}


def _side(side: Side, images: _Images) -> Mapping[str, Any]:
    place = None if side.webp is None else images.place(side.webp)
    return {"image": place, "note": side.note, "size_px": side.size_px, "transparent": side.has_transparency}


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _encodable(label: str) -> str:
    return label.encode(errors="replace").decode()  # names of files and tags can contain bytes that are not UTF-8
