"""A target as it was planned: later rounds and the release use it, whatever is edited in the meantime."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from imagemake.config.campaign import Campaign, load_campaign
from imagemake.core.files import write_whole
from imagemake.core.sealed import require_sealed, seal
from imagemake.images.source_files import SourceImages
from imagemake.plan.requests.catalog import Catalog
from imagemake.plan.requests.file_names import FileNames
from imagemake.store.layout import IMAGE, plan_file

if TYPE_CHECKING:
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.requests.catalog_row import Row
    from imagemake.plan.requests.request import Request
    from imagemake.plan.state import State

ID_DIGITS = 16


@dataclass(frozen=True)
class Target:
    """A target of a campaign.

    Attributes:
        campaign: The campaign, with the changes from the command line.
        catalog: The catalog.
        scope: ``all``, ``pilot``, ``small``, or ``image/`` and a file name.
        made_at: When the plan was made, ISO 8601 in UTC. Everything made later was made by its run.
        batches: The batches of the first round.
        files: Reference images and masks, as they were when the plan was made.
        some_rows: The only rows that are looked at; None for all of them.
    """

    campaign: Campaign
    catalog: Catalog
    scope: str
    made_at: str
    batches: tuple[str, ...] = ()
    files: SourceImages = field(default_factory=SourceImages, compare=False)
    some_rows: Sequence[Row] | None = None

    @property
    def rows(self) -> Sequence[Row]:
        """The rows that are looked at."""
        return self.catalog if self.some_rows is None else self.some_rows

    @cached_property
    def everything(self) -> list[Request]:
        """All requests of the campaign."""
        from imagemake.plan.requests.expand import expand  # only where something changed

        return expand(self.campaign, self.rows, files=self.files)

    @cached_property
    def requests(self) -> list[Request]:
        """The target's requests, and those that these are made from, in catalog order."""
        from imagemake.plan.requests.selection import requests_of_scope

        return requests_of_scope(self.campaign, self.everything, self.scope)

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of the requests that a run may work on, as ``only`` selects them."""
        from imagemake.plan.requests.selection import within

        return within(self.campaign, self.everything)

    @cached_property
    def file_names(self) -> FileNames:
        """Names of the released files."""
        return FileNames(self.campaign)

    def states(self, inventory: Inventory) -> list[State]:
        """Find where each of the target's requests stands."""
        from imagemake.plan.policy import policy_of
        from imagemake.plan.resolve import resolve
        from imagemake.plan.reviews import REVIEWS, read_reviews

        policy, reviews = policy_of(self.campaign), read_reviews(REVIEWS)
        return resolve(self.requests, inventory, policy, reviews, self.made_at)

    def asked_for(self, states: Sequence[State]) -> list[State]:
        """Return the states of what the target releases: for a single image, not of what it is made from."""
        if not self.scope.startswith(IMAGE):
            return list(states)
        file_name = self.scope.removeprefix(IMAGE)
        return [state for state in states if file_name in self.file_names.of(state.request).values()]

    def write(self, work: Path) -> tuple[str, Path]:
        """Write the plan's file, and the catalog beside it; return the plan's ID and the path of its file."""
        content = self._as_json()
        run = hashlib.sha256(content).hexdigest()[:ID_DIGITS]
        path = plan_file(work, run)
        self.catalog.keep(path.parent)
        write_whole(path, content)
        return run, path

    def _as_json(self) -> bytes:
        content = orjson.dumps(
            {
                "scope": self.scope,
                "made_at": self.made_at,
                "batches": self.batches,
                "campaign": self.campaign.model_dump(mode="json", exclude_unset=True),
                "catalog": [self.catalog.path, self.catalog.digest],
                "references": {path: list(image) for path, image in self.files.by_path.items()},
            }
        )
        return seal(content)

    @classmethod
    def read(cls, path: Path) -> Target:
        """Read a plan's file.

        Raises:
            DamagedStateError: If it or its catalog is missing or damaged.
        """
        data = require_sealed(path)
        name, digest = data["catalog"]
        return cls(
            campaign=load_campaign(data["campaign"], where=str(path)),
            catalog=Catalog.kept(name, digest, path.parent),
            scope=data["scope"],
            made_at=data["made_at"],
            batches=tuple(data["batches"]),
            files=SourceImages(planned=data["references"]),
        )
