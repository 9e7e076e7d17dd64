"""Contact sheets of rows and thumbnails by name."""

from imagemake.release.manifest.chunks.chunk import cut
from imagemake.release.manifest.chunks.order import order_of
from imagemake.release.manifest.chunks.pieces import Pieces
from imagemake.release.report.contact_sheet import Page, write_contact_sheet
from imagemake.release.report.facts import PageFacts


class NamedThumbnails(dict):
    """Thumbnails by name; those of earlier attempts are under ``name@place``, those of files under
    ``reference:digest``.
    """

    def of_row(self, row, place):
        return self.get(row.name if place is None else f"{row.name}@{place}")

    def of_reference(self, digest):
        return self.get(f"reference:{digest}")


def write_page(path, entries, metrics, *, title, thumbnails, max_thumbnails, pieces=None, **more):
    """Write the contact sheet of entries in any order."""
    chunks = list(cut(sorted(entries, key=lambda entry: order_of(entry.name))))
    page = Page(
        title=title,
        metrics=metrics,
        thumbnails=thumbnails if isinstance(thumbnails, NamedThumbnails) else NamedThumbnails(thumbnails),
        max_thumbnails=max_thumbnails,
        **more,
    )
    write_contact_sheet(path, chunks, [PageFacts.of(chunk.rows()) for chunk in chunks], page, pieces or Pieces(None))
