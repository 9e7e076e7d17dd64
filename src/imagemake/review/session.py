"""The project as reviewers see it: read once, and again where a run, an edit or an undo has changed it."""

from __future__ import annotations

import threading
from pathlib import Path

from imagemake.config.load import read_campaign
from imagemake.core.problems import UserError
from imagemake.plan.batches import ALL, policy_of
from imagemake.plan.inventory import Inventory
from imagemake.plan.requests.catalog import read_catalog
from imagemake.plan.resolve import resolve
from imagemake.plan.reviews import REVIEWS
from imagemake.plan.target import Target
from imagemake.review.decisions import DecisionLog
from imagemake.review.queue import Queue, QueueView
from imagemake.store.store import Store

CONFIG = Path("config/config.yaml")
TABLES = ("validated", "postprocessed")
LOCK = "reviews.lock"


class ReviewSession:
    """Everything that a page is made of.

    Args:
        folder: The project's.

    Raises:
        UserError: If the configuration, the catalog or the decisions cannot be understood.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.work = folder / "work"
        self.store = Store(folder / "store")
        self.log = DecisionLog(folder / REVIEWS, self.work / LOCK)
        self.problem = ""
        self._making = threading.Lock()
        self.campaign = read_campaign(folder / CONFIG)
        self._seen = self._signature()
        self._queue = self._make()

    def view(self) -> QueueView:
        """Return where everything stands now.

        A mistake that somebody makes in a file meanwhile is kept as `problem`, and the last good state is shown.
        """
        try:
            self.log.known()
            signature = self._signature()
            if signature != self._seen or self._queue.is_undone_by(self.log.stored()):
                self._renew(signature)
            self.problem = ""
        except UserError as mistakes:
            self.problem = str(mistakes)
        return QueueView(self._queue, self.log.stored())

    def _renew(self, signature: tuple[int, ...]) -> None:
        with self._making:
            if signature == self._seen and not self._queue.is_undone_by(self.log.stored()):
                return  # another thread was faster
            self.campaign = read_campaign(self._folder / CONFIG)
            self._queue = self._make()
            self._seen = signature

    def _make(self) -> Queue:
        rows = read_catalog(self._folder / self.campaign.catalog)
        requests = Target(self.campaign, rows, ALL, "").requests
        self.log.known()
        policy, reviews = policy_of(self.campaign), self.log.stored()
        return Queue.of(resolve(requests, Inventory(self.store, self.work), policy, reviews), policy, reviews)

    def _signature(self) -> tuple[int, ...]:
        paths = [self._folder / CONFIG, self._folder / self.campaign.catalog, *(self.work / name for name in TABLES)]
        return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)
