"""Feeds for shops: tables with a link to each published image, grouped by product."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from imagemake.config.exports import ALT_TEXT
from imagemake.core.spreadsheet import safe_cell
from imagemake.plan.requests.export_problems import PRODUCT
from imagemake.release.exports.content import Content, Exported
from imagemake.release.published_name import digest_name
from imagemake.store.layout import ALL

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.exports import Export

_IMAGE, _POSITION = "Image Src", "Image Position"
_MOST_ALT_TEXT = 512  # characters that Shopify accepts
Link = Callable[[Exported], str]


def links_of(export: Export, campaign: Campaign, scope: str) -> Link:
    """Return a function that gives the address of an image after `imagemake publish`."""
    base = export.base_url if scope == ALL else f"{export.base_url}/{scope}"
    has_digest = campaign.publish.names == "digest"

    def link(one: Exported) -> str:
        name = digest_name(one.path, str(one.file.digest)) if has_digest else one.path
        return f"{base}/{quote(name)}"

    return link


def merchant(images: Sequence[Exported], export: Export, link: Link) -> dict[str, Content]:
    """Return a Google Merchant Center feed: a row per product, with up to ten additional images."""
    rows = [
        {**cells[0], "image_link": link(group[0]), "additional_image_link": ",".join(map(link, group[1:]))}
        for group, cells in _products(images, export)
    ]
    return _table("merchant.csv", [*export.columns, "image_link", "additional_image_link"], rows)


def shopify(images: Sequence[Exported], export: Export, link: Link) -> dict[str, Content]:
    """Return a Shopify product file: a row per image, with the product's columns in its first row."""
    handle, _ = PRODUCT["shopify"]
    rows = []
    for group, cells in _products(images, export):
        for place, (one, all_cells) in enumerate(zip(group, cells, strict=True)):
            shown = all_cells if place == 0 else {handle: all_cells[handle]}
            alt_text = all_cells.get(ALT_TEXT, "")[:_MOST_ALT_TEXT]
            rows.append({**shown, _IMAGE: link(one), _POSITION: str(place + 1), ALT_TEXT: alt_text})
    own = [name for name in export.columns if name != ALT_TEXT]
    return _table("shopify.csv", [*own, _IMAGE, _POSITION, ALT_TEXT], rows)


def _products(
    images: Sequence[Exported], export: Export
) -> Iterable[tuple[Sequence[Exported], Sequence[Mapping[str, str]]]]:
    """Return the images of each product and their columns, in the order of the catalog."""
    column, _ = PRODUCT[export.format]
    groups: dict[str, tuple[list[Exported], list[Mapping[str, str]]]] = {}
    for one in images:
        cells = one.columns(export)
        members, columns = groups.setdefault(cells[column], ([], []))
        members.append(one)
        columns.append(cells)
    return groups.values()


def _table(name: str, header: Sequence[str], rows: Iterable[Mapping[str, str]]) -> dict[str, Content]:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([safe_cell(row.get(column, "")) for column in header] for row in rows)
    return {name: text.getvalue().encode()}
