"""Who works on a store in a bucket: each process writes a file again and again, and claims of silent ones do not count.

Ages are differences of times that the bucket's server wrote, so no two clocks are compared.
"""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from imagemake.store.remote.errors import PlaceError

if TYPE_CHECKING:
    from imagemake.store.remote.storage import Storage

BEAT_S = 5.0  # between two writes
SILENT_S = 20.0  # without a write, a process claims nothing more
DEAD_S = 45.0  # without a write, others no longer heed its claims
FOLDER = "alive"


class Liveness:
    """Tells others that this process works, and which others do. All methods are thread-safe.

    Args:
        storage: The bucket.
        job: Name of the job or command.
    """

    def __init__(self, storage: Storage, job: str) -> None:
        self.id = f"{job}-{uuid.uuid4().hex[:12]}"
        self._storage = storage
        self._told_at = -SILENT_S  # by the monotonic clock
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Tell it now, and from now on.

        Raises:
            PlaceError: If the bucket cannot be written.
        """
        self._tell()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._thread.start()

    def require(self) -> None:
        """Make sure that others count this process among the living.

        Raises:
            PlaceError: If the bucket cannot be written.
        """
        if time.monotonic() - self._told_at > SILENT_S:
            self._tell()

    def living(self) -> set[str]:
        """Return the IDs of all processes that work, and of this one."""
        told = {name.rpartition("/")[2]: seen.modified_at for name, seen in self._storage.list(FOLDER).items()}
        now = told.get(self.id, max(told.values(), default=0.0))
        return {self.id, *(one for one, at in told.items() if now - at < DEAD_S)}

    def end(self) -> None:
        """Tell that this process has ended."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            with suppress(PlaceError):  # it is silent from now on
                self._storage.delete(f"{FOLDER}/{self.id}")

    def _tell(self) -> None:
        began = time.monotonic()
        self._storage.put(f"{FOLDER}/{self.id}", b"{}", "application/json")
        self._told_at = began

    def _go_on(self) -> None:
        while not self._ended.wait(BEAT_S):
            with suppress(PlaceError):  # `require` sees it
                self._tell()
