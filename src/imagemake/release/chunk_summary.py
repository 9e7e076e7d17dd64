"""What a release as a whole needs to know of each chunk, so that unchanged ones need not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imagemake.release.manifest.chunks.chunk import Chunk
from imagemake.release.manifest.chunks.pieces import Pieces
from imagemake.release.manifest.row import ManifestRow
from imagemake.release.manifest.tables import found_in
from imagemake.release.metrics.remedies import RemedySums, remedy_sums
from imagemake.release.metrics.sums import Sums
from imagemake.release.report.facts import PageFacts
from imagemake.release.review_list import review_cells


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of a chunk.

    Attributes:
        found: Which columns it has; see `imagemake.release.manifest.tables.found_in`.
        sums: For the metrics.
        remedies: For what followed rejections.
        facts: For the contact sheet.
        reviews: Its part of the review list.
    """

    found: Mapping[str, Any]
    sums: Sums
    remedies: RemedySums
    facts: PageFacts
    reviews: str

    @classmethod
    def of(cls, chunk: Chunk, pieces: Pieces) -> Summary:
        """Return the summary of a chunk, made only if it is not kept."""
        data = pieces.table("sums", chunk.digest, lambda: _made(chunk.rows()))
        return cls(
            data["found"],
            Sums.from_data(data["sums"]),
            {name: Counter(counts) for name, counts in data["remedies"].items()},
            PageFacts(**data["facts"]),
            data["reviews"],
        )


def _made(rows: Sequence[ManifestRow]) -> dict[str, Any]:
    return {
        "found": found_in(rows),
        "sums": Sums.of(rows).as_data(),
        "remedies": remedy_sums(rows),
        "facts": PageFacts.of(rows).as_data(),
        "reviews": review_cells(rows),
    }
