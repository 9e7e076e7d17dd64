"""The project under review: it is read once, and again after a run, an edit, or an undo changes it."""

from __future__ import annotations

import threading
from pathlib import Path

from imagemake.config.load import read_campaign
from imagemake.core.file_stamp import FileStamp, stamp_of
from imagemake.core.problems import UserError
from imagemake.plan.policy import policy_of
from imagemake.plan.requests.catalog import Catalog
from imagemake.plan.requests.request import Request
from imagemake.plan.resolve import resolve
from imagemake.plan.reviews import REVIEWS
from imagemake.plan.state import Policy
from imagemake.plan.target import Target
from imagemake.plan.unknown_decisions import unknown_decisions
from imagemake.review.decisions import DecisionLog
from imagemake.review.kept_values import KeepingInventory
from imagemake.review.queue import Queue, QueueView
from imagemake.store.layout import ALL, MEASURED_TABLES, STORE, WORK
from imagemake.store.store import Store

CONFIG = Path("config/config.yaml")
LOCK = "reviews.lock"


class ReviewSession:
    """The data that pages show.

    Args:
        folder: The project's folder.

    Raises:
        UserError: If the configuration, the catalog, or the decision log is invalid.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.work = folder / WORK
        self.store = Store(folder / STORE)
        self.log = DecisionLog(folder / REVIEWS, self.work / LOCK)
        self.problem = ""
        self._building = threading.Lock()
        self.campaign = read_campaign(folder / CONFIG)
        self._loaded: tuple[FileStamp | None, ...] = self._signature()
        self._queue = self._queue_of(*self._ready())

    def view(self) -> QueueView:
        """Return the current state of the project.

        If a file has become invalid, `problem` describes the mistake, and the last valid state is returned.
        """
        queue = self._queue  # before `_loaded` is looked at: `_reload` changes that first
        try:
            self.log.read()
            signature = self._signature()
            if signature != self._loaded or queue.is_outdated_by(self.log.current()):
                self._reload(signature)
                queue = self._queue
            self.problem = ""
        except UserError as mistakes:
            self.problem = str(mistakes)
        return QueueView(queue, self.log.current())

    def warnings(self) -> list[str]:
        """Return what to tell about decisions that no image has."""
        states = [item.state for item in self._queue.items]
        return unknown_decisions(self._folder / REVIEWS, states, self.store, lambda: ())

    def _reload(self, signature: tuple[FileStamp | None, ...]) -> None:
        with self._building:
            if signature == self._loaded and not self._queue.is_outdated_by(self.log.current()):
                return  # another thread has reloaded it
            self.campaign = read_campaign(self._folder / CONFIG)
            ready = self._ready()  # whatever a user can have written wrong shows here
            # Both queues at once would take twice the memory. Whoever asks meanwhile waits.
            self._loaded, self._queue = (), Queue.of((), ready[1], {})
            self._queue = self._queue_of(*ready)
            self._loaded = signature

    def _ready(self) -> tuple[list[Request], Policy]:
        rows = Catalog.open(self._folder / self.campaign.catalog)
        requests = Target(self.campaign, rows, ALL, "").requests
        self.log.read()
        return requests, policy_of(self.campaign)

    def _queue_of(self, requests: list[Request], policy: Policy) -> Queue:
        reviews = self.log.current()
        return Queue.of(resolve(requests, KeepingInventory(self.store, self.work), policy, reviews), policy, reviews)

    def _signature(self) -> tuple[FileStamp | None, ...]:
        paths = [
            self._folder / CONFIG,
            self._folder / self.campaign.catalog,
            *(self.work / name for name in MEASURED_TABLES),
        ]
        return tuple(map(stamp_of, paths))
