"""The project as reviewers see it: read once, and again where a run, an edit or an undo has changed it."""

from __future__ import annotations

import threading
from pathlib import Path

import yaml

from imagemake.planning.inventory import Inventory
from imagemake.planning.order import Order
from imagemake.planning.plan import ALL, policy_of
from imagemake.planning.reviews import REVIEWS
from imagemake.planning.settle import settle
from imagemake.problems import Problem, UserError
from imagemake.review.decisions import DecisionLog
from imagemake.review.queue import Queue, View
from imagemake.store import Store
from imagemake.wanted.campaign import Campaign, load_campaign
from imagemake.wanted.catalog import read_catalog

CONFIG = Path("config/config.yaml")
TABLES = ("validated", "finished")
LOCK = "reviews.lock"


class Desk:
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
        self.campaign = _read_campaign(folder)
        self._seen = self._signature()
        self._queue = self._make()

    def view(self) -> View:
        """Return where everything stands now.

        A mistake that somebody makes in a file meanwhile is kept as `problem`, and the last good state is shown.
        """
        try:
            self.log.known()
            signature = self._signature()
            if signature != self._seen or self._queue.is_undone_by(self.log.held()):
                self._renew(signature)
            self.problem = ""
        except UserError as mistakes:
            self.problem = str(mistakes)
        return View(self._queue, self.log.held())

    def _renew(self, signature: tuple[int, ...]) -> None:
        with self._making:
            if signature == self._seen and not self._queue.is_undone_by(self.log.held()):
                return  # another thread was faster
            self.campaign = _read_campaign(self._folder)
            self._queue = self._make()
            self._seen = signature

    def _make(self) -> Queue:
        rows = read_catalog(self._folder / self.campaign.catalog)
        requests = Order(self.campaign, rows, ALL, "").requests
        self.log.known()
        policy, reviews = policy_of(self.campaign), self.log.held()
        return Queue.of(settle(requests, Inventory(self.store, self.work), policy, reviews), policy, reviews)

    def _signature(self) -> tuple[int, ...]:
        paths = [self._folder / CONFIG, self._folder / self.campaign.catalog, *(self.work / name for name in TABLES)]
        return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)


def _read_campaign(folder: Path) -> Campaign:
    path = folder / CONFIG
    try:
        config = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        raise UserError(Problem(str(path), "is not there", "Run this where the Snakefile is.")) from None
    except yaml.YAMLError as error:
        raise UserError(Problem(str(path), f"is no YAML: {error}", "Correct it.")) from None
    return load_campaign(config or {}, where=str(path))
