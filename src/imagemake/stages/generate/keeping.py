"""Keeps what a call returned: in the store, or in another folder if the store's disk refuses."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from imagemake.core.host_errors import words_of
from imagemake.store.fallback import KeptElsewhereError, journal_record_file, write_elsewhere
from imagemake.store.journal import Journal, Outcome
from imagemake.store.store import Store, StoredFile

T = TypeVar("T")
DISK_THREADS = 32
WAITS_S = (0.5, 1.0, 2.0, 4.0)  # before another folder is tried
EVERY_S = 5.0
HELD_TIMES = 120  # 10 minutes, in which somebody may free some space


def wait_for_disk_in_threads() -> None:
    """Let the running loop have many threads: what waits at the same time shares one write of the file system."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(DISK_THREADS))


@dataclass(slots=True)
class Keeper:
    """Writes to the store and the journal what calls returned.

    Attributes:
        store: The store.
        journal: Has the records of the calls.
        paid: Whether calls cost money. What was free is not held.
    """

    store: Store
    journal: Journal
    paid: bool
    _elsewhere: KeptElsewhereError | None = None
    _is_canceled: bool = False

    async def image(self, key: str, image: bytes) -> StoredFile:
        """Keep the image of a key."""
        return await self._keep(lambda store: store.raw.put(key, image, durable=self.paid))

    async def more(self, call: str, images: Sequence[bytes]) -> list[str]:
        """Keep further images of a response; see `Store.keep_more`."""
        return await self._keep(lambda store: store.keep_more(call, images))

    async def unreadable(self, call: str, body: bytes) -> Path:
        """Keep a response that holds no image; see `Store.keep_unreadable`."""
        return await self._keep(lambda store: store.keep_unreadable(call, body))

    async def closed(self, call: str, outcome: Outcome, **fields: Any) -> Mapping[str, Any]:
        """Record how a call ended; see `Journal.closed`."""
        return await self._record(lambda journal: journal.closed(call, outcome, **fields))

    async def submitted(self, call: str, key: str, ticket: Mapping[str, Any]) -> None:
        """Record that a call is in the provider's queue; see `Journal.submitted`."""
        await self._record(lambda journal: journal.submitted(call, key=key, ticket=ticket))

    async def _record(self, write: Callable[[Journal], T]) -> T:
        path = self.journal.path.relative_to(self.store.root)

        def there(folder: Path) -> T:
            journal = Journal(folder, self.journal.job, durable=True, path=journal_record_file(folder, path))
            try:
                return write(journal)
            finally:
                journal.close()

        return await self._held(lambda: write(self.journal), there)

    async def _keep(self, write: Callable[[Store], T]) -> T:
        return await self._held(lambda: write(self.store), lambda folder: write(self.store.beside(folder)))

    async def _held(self, here: Callable[[], T], there: Callable[[Path], T]) -> T:
        """Write, and hold what is to be written while the disk refuses it."""
        if not self.paid:
            await asyncio.sleep(0)  # so that other calls and the progress messages get their turn
            return here()
        for tries in range(len(WAITS_S) + HELD_TIMES):
            try:
                return await self.to_its_end(here)
            except OSError as error:
                refusal = error
            if self._is_canceled:
                return self._write_elsewhere(refusal, there)
            if tries >= len(WAITS_S):
                with suppress(OSError):
                    return await self.to_its_end(partial(self._write_elsewhere, refusal, there))
            if tries == len(WAITS_S):
                what, _ = words_of(refusal) or (str(refusal), "")
                told = (
                    f"{self.journal.job}: Warning: {what} No other folder takes what arrived, so it is held in memory."
                )
                print(f"{told} Free some space now.", file=sys.stderr, flush=True)
            try:
                await asyncio.sleep(WAITS_S[tries] if tries < len(WAITS_S) else EVERY_S)
            except asyncio.CancelledError:  # the time after a signal is over: all of the response is written first
                self._is_canceled = True
        raise refusal

    async def to_its_end(self, write: Callable[[], T]) -> T:
        """Write in a thread, and wait for it also if the call is given up meanwhile; `end` raises that then."""
        writing = asyncio.ensure_future(asyncio.to_thread(write))
        while True:
            try:
                return await asyncio.shield(writing)
            except asyncio.CancelledError:
                if writing.cancelled():
                    raise
                self._is_canceled = True

    def end(self) -> None:
        """End a call whose response is kept.

        Raises:
            CancelledError: If the call was given up meanwhile.
            KeptElsewhereError: If something is in another folder.
        """
        if self._is_canceled:
            raise asyncio.CancelledError
        if self._elsewhere is not None:
            raise self._elsewhere

    def _write_elsewhere(self, refusal: OSError, there: Callable[[Path], T]) -> T:
        made, folder = write_elsewhere(self.store.root, there)
        self._elsewhere = KeptElsewhereError(refusal, folder)
        return made
