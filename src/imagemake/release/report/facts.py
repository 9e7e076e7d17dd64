"""What the contact sheet needs to know of requests as a whole, chunk by chunk."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from imagemake.config.references import OWN_IMAGE
from imagemake.release.manifest.chunks.order import order_of
from imagemake.release.manifest.row import ManifestRow


@dataclass(frozen=True, slots=True)
class PageFacts:
    """Facts of some rows.

    Attributes:
        models: The models.
        values: Of each variable, up to two values; None if a row has none.
        has_takes: Whether any request has several takes.
        parents: The image that an image is made from, by its name.
        users: How many requests use each reference image or mask, by digest.
        rejected: How many rows are not accepted.
        accepted: How many are.
        rejected_pasts: How many earlier attempts the former have.
        accepted_pasts: How many the latter have.
    """

    models: Sequence[str]
    values: Mapping[str, Sequence[str | None]]
    has_takes: bool
    parents: Mapping[str, str]
    users: Mapping[str, int]
    rejected: int
    accepted: int
    rejected_pasts: int
    accepted_pasts: int

    def n(self, *, accepted: bool, pasts: bool) -> int:
        """Return how many rows or earlier attempts there are."""
        if pasts:
            return self.accepted_pasts if accepted else self.rejected_pasts
        return self.accepted if accepted else self.rejected

    def as_data(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def of(cls, rows: Sequence[ManifestRow]) -> PageFacts:
        """Return the facts of rows."""
        names = dict.fromkeys(name for row in rows for name in row.variables)
        good, bad = ([row for row in rows if (row.verdict == "accepted") is is_good] for is_good in (True, False))
        return cls(
            models=sorted({row.model for row in rows}),
            values={name: list(dict.fromkeys(row.variables.get(name) for row in rows))[:2] for name in names},
            has_takes=any(row.take > 1 for row in rows),
            parents={row.name: parent for row in rows if (parent := _parent_of(row)) is not None},
            users=dict(
                Counter(digest for row in rows for digest in (*row.reference_digests, row.mask_digest) if digest)
            ),
            rejected=len(bad),
            accepted=len(good),
            rejected_pasts=sum(len(row.history) for row in bad),
            accepted_pasts=sum(len(row.history) for row in good),
        )


def _parent_of(row: ManifestRow) -> str | None:
    named = next((one for one in row.references if one.startswith(OWN_IMAGE)), None)
    return None if named is None else named.removeprefix(OWN_IMAGE)


def families(parent_of: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """Return the first image of each image's family, and how many steps away that is; empty if there are no families.

    A family is what is made from one image.

    Args:
        parent_of: The image that an image is made from, by its name.
    """
    ways: dict[str, tuple[str, int]] = {}
    for name in parent_of:
        chain = [name]
        while chain[-1] not in ways and chain[-1] in parent_of:
            chain.append(parent_of[chain[-1]])
        first, far = ways.get(chain[-1], (chain[-1], 0))
        for further, one in enumerate(reversed(chain)):
            ways[one] = first, far + further
    return ways


def comparable(facts: Sequence[PageFacts], variables: Sequence[str]) -> list[str]:
    """Return the variables that have several values, and ``take`` if there are several takes."""
    found = [name for name in variables if len({value for one in facts for value in one.values.get(name, (None,))}) > 1]
    return [*found, "take"] if any(one.has_takes for one in facts) else found


def by_chunk(names: Mapping[str, Any], firsts: Sequence[bytes]) -> list[dict[str, Any]]:
    """Divide what there is by name among chunks.

    Args:
        names: Anything by name.
        firsts: The place of the first name of each chunk, from `imagemake.release.manifest.chunks.order.order_of`.
    """
    found: list[dict[str, Any]] = [{} for _ in firsts]
    for name, value in names.items():
        place = bisect_right(firsts, order_of(name)) - 1
        if place >= 0:  # else there is no request of that name
            found[place][name] = value
    return found
