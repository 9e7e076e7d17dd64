"""Claims on keys in a bucket, by plain writes and listings: no server needs to know conditional writes.

Whoever wants a key writes a ticket, lists the tickets of the key, and has the claim if no other living process has one.
Otherwise it takes its ticket back and tries later. Listings of S3 show each write that ended before them, so of two who
find themselves alone, the later one would have seen the ticket of the earlier one. Where listings lag, nothing counts
before one shows one's own ticket, and the claim begins later by twice that time: by then, listings also show what the
last one who had the claim wrote.
"""

from __future__ import annotations

import random
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from imagemake.store.remote.errors import PlaceError, Trouble

if TYPE_CHECKING:
    from imagemake.store.remote.storage import Storage
    from imagemake.store.whole.liveness import Liveness

FOLDER = "claims"
AGAIN_S = 2.0  # longest time until the next try
LOOK_EVERY_S, MOST_LAG_S = 0.5, 60.0
LAGS = "Give the store a storage whose listings show what was written before them, as those of Amazon S3 do."
_MARK = "~"  # between process and ticket


class BucketClaim:
    """A claim on one key, as a `FileLock` is on one disk.

    Args:
        storage: The bucket.
        liveness: Tells which processes are there.
        key: What is claimed.
    """

    def __init__(self, storage: Storage, liveness: Liveness, key: str) -> None:
        self._storage, self._liveness = storage, liveness
        self._folder = f"{FOLDER}/{key}"
        self._ticket = f"{self._folder}/{liveness.id}{_MARK}{uuid.uuid4().hex[:12]}"
        self._not_before = 0.0

    def acquire(self, *, wait: bool = True) -> bool:
        """Take the claim.

        Args:
            wait: Whether to wait until no other process has it.

        Returns:
            Whether it is held now; False only if `wait` is False.

        Raises:
            PlaceError: If the bucket cannot be read and written.
        """
        while True:
            wait_s = self._not_before - time.monotonic()
            if wait_s <= 0:
                if self._is_taken():
                    return True
                # At random, so that two who met do not meet again.
                self._not_before = time.monotonic() + random.uniform(0.1, AGAIN_S)  # noqa: S311
            elif wait:
                time.sleep(wait_s)
            if not wait:
                return False

    def release(self, *, remove: bool = False) -> None:
        """Give the claim back."""
        with suppress(PlaceError):  # it counts for nothing once this process has ended
            self._storage.delete(self._ticket)

    def __enter__(self) -> BucketClaim:
        self.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    def _is_taken(self) -> bool:
        self._liveness.require()
        self._storage.put(self._ticket, b"{}", "application/json")
        others, lag_s = self._others()
        if not others or not self._liveness.living().intersection(map(_process_of, others)):
            time.sleep(2 * lag_s)
            return True
        self._storage.delete(self._ticket)
        return False

    def _others(self) -> tuple[set[str], float]:
        """Return the tickets of others, from a listing that has ours, and for how long it had not, in seconds."""
        begin, is_late = time.monotonic(), False
        while self._ticket not in (listed := self._storage.list(self._folder)):
            is_late = True
            if time.monotonic() - begin > MOST_LAG_S:
                self.release()
                what = f"a listing does not show what was written {MOST_LAG_S:.0f} seconds ago"
                raise PlaceError(Trouble.OTHER, self._storage.address, what, LAGS)
            time.sleep(LOOK_EVERY_S)
        return listed.keys() - {self._ticket}, time.monotonic() - begin if is_late else 0.0


def sweep_claims(storage: Storage, living: set[str]) -> int:
    """Delete the tickets of processes that have ended, and return how many those were."""
    left = [name for name in storage.list(FOLDER) if _process_of(name) not in living]
    storage.each(storage.delete, left)
    return len(left)


def _process_of(ticket: str) -> str:
    return ticket.rpartition("/")[2].partition(_MARK)[0]
