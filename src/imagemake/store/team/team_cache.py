"""A job fetches images from the team store before it pays for them, and uploads the images that it paid for.

The mark ``store/unshared/<key>`` is created before an image that was paid for is written, and removed when the team
store has the image. If an upload fails, a later job or `imagemake share` tries again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagemake.core.files import FileLock
from imagemake.plugins.providers import provider_class
from imagemake.store.journal import Journal, Outcome, read_calls
from imagemake.store.store import DamagedError, Store, StoredFile
from imagemake.store.team.origin_record import OriginRecord

if TYPE_CHECKING:
    from imagemake.config.remotes import SharedStore
    from imagemake.store.items import Item
    from imagemake.store.journal import Call
    from imagemake.store.team.team_store import TeamStore

Due = tuple[StoredFile, Mapping[str, Any], Mapping[str, Any]]  # an image, its recipe, and the closed record of its call

ASK_AGAIN_S = 30.0  # shortest time between two requests for a key
YOUNG_S = 60.0  # another job may still be uploading the image of a younger mark


@dataclass(slots=True)
class TeamCache:
    """Fetches and uploads images for one job.

    Attributes:
        team: The team store.
        store: The store of this project.
        campaign: Name of the campaign, for the journal.
        job: Name of the job, for the journal's file name.
    """

    team: TeamStore
    store: Store
    campaign: str
    job: str
    _asked: dict[str, float] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(init=False)
    _journal: Journal = field(init=False)
    _giving: list[Future[bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.team.parallel)
        self._journal = Journal(self.store.journal_folder, self.job, durable=False)

    def take(self, item: Item) -> StoredFile | None:
        """Fetch an image from the team store, and record it in the journal. Return None if there is none."""
        now = time.monotonic()
        if now - self._asked.get(item.key, -ASK_AGAIN_S) < ASK_AGAIN_S:
            return None
        self._asked[item.key] = now
        found = self.team.fetch(item.key)
        if found is None:
            return None
        data, origin = found
        # Not self.store, which would mark the image as unshared.
        stored = Store(self.store.root).raw.put(item.key, data, durable=True)
        self._journal.arrived(
            campaign=self.campaign,
            name=item.name,
            key=item.key,
            attempt=item.attempt,
            recipe=item.recipe.as_dict(),
            digest=stored.digest,
            request_id=origin.request_id,
            origin={"store": self.team.address, "generated_at": origin.generated_at, "cost_usd": origin.cost_usd},
        )
        return stored

    def take_all(self, items: Iterable[Item]) -> int:
        """Fetch the images that the store lacks, in parallel. Return the number of fetched images."""
        missing = [item for item in items if _is_paid(item) and self.store.raw.find(item.key) is None]
        return sum(stored is not None for stored in self._pool.map(self.take, missing))

    def give(self, stored: StoredFile, recipe: Mapping[str, Any], closed: Mapping[str, Any]) -> None:
        """Upload an image that was just paid for, in the background.

        Args:
            stored: The image.
            recipe: Recipe of the image.
            closed: Closed record of the call in the journal.
        """
        self._giving.append(self._pool.submit(self._give, stored, recipe, closed))

    def give_marked(self, own: Collection[str] = ()) -> int:
        """Upload images that are still marked, except those that another job may be uploading.

        Args:
            own: Keys of this job, whose own uploads have ended.

        Returns:
            Number of these images that the team store has now.
        """
        wait(self._giving)
        lock = FileLock(self.store.unshared / ".lock")
        if not self.store.unshared.is_dir() or not lock.acquire(wait=False):
            return 0
        try:
            return sum(self._pool.map(lambda due: self._give(*due), list(self._marked(own))))
        finally:
            lock.release()

    def lacking(self) -> list[Due] | None:
        """Return paid images of this store that the team store lacks, or None if the team store is unavailable."""
        index = self.store.raw.index()
        known = self.team.known(index)
        if known is None:
            return None
        return list(_with_facts(self.store, {key: stored for key, stored in index.items() if key not in known}))

    def give_all(self, due: Sequence[Due], tell: Callable[[int, int], None]) -> int:
        """Upload images in parallel, and return how many the team store has now.

        Args:
            due: Images from `lacking`.
            tell: Called after each upload with the number of tried images and the number of all images.
        """
        given = 0
        for place, is_there in enumerate(self._pool.map(lambda one: self._give(*one), due), 1):
            given += is_there
            tell(place, len(due))
        return given

    def close(self, *, finish: bool = True) -> None:
        """Stop the uploads, after the pending ones if `finish` is true. Images without an upload stay marked."""
        try:
            self._pool.shutdown(cancel_futures=not finish)
        except KeyboardInterrupt:
            self._pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            self._journal.close()

    def _give(self, stored: StoredFile, recipe: Mapping[str, Any], closed: Mapping[str, Any]) -> bool:
        if not self.team.takes:
            return False
        try:
            data = self.store.raw.read(stored)
        except (DamagedError, OSError):  # the next run detects and handles it
            return False
        origin = OriginRecord(stored, len(data), closed.get("at"), closed.get("request_id"), closed.get("cost_usd"))
        given = self.team.put(data, origin, recipe)
        if given:
            (self.store.unshared / stored.key).unlink(missing_ok=True)
        return given

    def _marked(self, own: Collection[str]) -> Iterator[Due]:
        now = time.time()
        marked: dict[str, StoredFile] = {}
        for path in self.store.unshared.glob("[0-9a-f]*"):
            is_young = False
            with suppress(FileNotFoundError):
                is_young = now - path.stat().st_mtime < YOUNG_S
            stored = self.store.raw.find(path.name)
            if stored is not None and (path.name in own or not is_young):
                marked[path.name] = stored
            elif stored is None and not is_young:
                path.unlink(missing_ok=True)  # the image was never written
        return _with_facts(self.store, marked)


@contextmanager
def exchange_of(
    settings: SharedStore, store: Store, campaign: str, job: str, items: Sequence[Item]
) -> Iterator[TeamCache | None]:
    """Open the team cache of a job. Yield None if there is no team store, or if the job's images are free."""
    if settings.team is None or not any(map(_is_paid, items)):
        yield None
        return
    from imagemake.store.team.team_store import open_team_store, warn_in

    team = open_team_store(settings, warn_in(job))
    if team is None:
        yield None
        return
    team_cache = TeamCache(team, store, campaign, job)
    try:
        yield team_cache
    except BaseException:
        team_cache.close(finish=False)
        raise
    team_cache.close()


def _is_paid(item: Item) -> bool:
    return provider_class(item.recipe.provider).paid


def _with_facts(store: Store, wanted: Mapping[str, StoredFile]) -> Iterator[Due]:
    """Yield images with their recipes and calls, except free ones and those without a call in this store's journal."""
    if not wanted:
        return
    made: dict[str, Call] = {}
    for call in read_calls(store.journal_folder):
        if call.sent["key"] in wanted and call.outcome is Outcome.MADE:
            made[call.sent["key"]] = call
    for key, call in made.items():
        if provider_class(call.sent["recipe"]["provider"]).paid:
            yield wanted[key], call.sent["recipe"], call.closed or {}
