"""Gives each process GPUs of its own: a lock per card, on this machine, for all projects of a user.

A process keeps its cards until it ends, because the memory that it took there comes back only then. The kernel releases
the locks, also of a process that was killed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from imagemake.core.files import FileLock, write_whole
from imagemake.core.gpu_holders import Holder, read_holder
from imagemake.core.gpus import VISIBLE, Card, cards
from imagemake.core.problems import NotReadyError
from imagemake.core.text import counted

ORDER = "CUDA_DEVICE_ORDER"
LOOK_EVERY_S = 0.5
SETTLE_S = 5.0  # how long a driver may take to give back the memory of a process that ended
LOST_BYTES = 512 * 2**20  # less is a desktop's window, or the driver's own

_held: dict[str, tuple[Card, FileLock]] = {}  # by UUID; for as long as this process lives


@dataclass(frozen=True, slots=True)
class LostMemory:
    """Memory of a card that was free before the last job on it, and is not now that the job has ended."""

    card: Card
    n_bytes: int

    def __str__(self) -> str:
        holders = ", ".join(map(str, self.card.processes()))
        by = f"processes that use the card: {holders}" if holders else "no process is seen to hold it"
        return (
            f"{self.n_bytes / 2**30:.1f} GiB of memory of {self.card.name} ({self.card.uuid}) did not come back after "
            f"the last job on it; {by}"
        )


def hold_cards(
    n: int = 1,
    *,
    index: int | None = None,
    all_free: bool = False,
    holder: Holder | None = None,
    waiting: Callable[[], None] = lambda: None,
) -> tuple[Card, ...]:
    """Take cards that no other process has, those with the most free memory first, and show CUDA only these.

    Call it before CUDA starts. A process that has cards already keeps them.

    Args:
        n: How many.
        index: The number of the only card that will do, among those that CUDA may use. It keeps its number.
        all_free: Take as many times n as there are free cards.
        holder: Who they are for: others are told so. None for a job of no run.
        waiting: Called while too few cards are free, every half a second. What it raises ends the wait.

    Returns:
        The cards; none if this machine has no NVIDIA card, or nvidia-ml-py is not installed.

    Raises:
        NotReadyError: If this machine has fewer cards, or too few will be free before the run of `holder` ends.
    """
    if _held:
        return tuple(card for card, _ in _held.values())
    known = cards()
    if index is not None:
        known = known[index : index + 1]
    if not known:
        return ()
    if len(known) < n:
        remedy = f"Ask for fewer, or show it more in {VISIBLE}."
        raise NotReadyError(f"{n} GPUs are needed, but this process sees only {len(known)}.", remedy)
    asking = holder or Holder()
    while not (taken := _taken(known, n, all_free=all_free)):
        _refuse_in_vain(known, n, asking.run)
        waiting()
        time.sleep(LOOK_EVERY_S)
    for card, lock in taken:
        asking.write(_holder_note(card))
        _held[card.uuid] = (card, lock)
    mine = tuple(card for card, _ in taken)
    os.environ.setdefault(ORDER, "PCI_BUS_ID")  # as NVML counts
    if index is None:
        os.environ[VISIBLE] = ",".join(card.visible for card in mine)
    return mine


def release_cards() -> None:
    """Give back the cards of this process before its end, because nothing of it runs there anymore."""
    while _held:
        card, lock = _held.popitem()[1]
        _holder_note(card).unlink(missing_ok=True)
        lock.release()


def taken_cards() -> str:
    """Return which cards other processes have, and who these are as far as they said so."""
    return "; ".join(_told(card, read_holder(_holder_note(card))) for card in cards() if not _is_free(card))


def note_memory(held: Sequence[Card]) -> None:
    """Remember the memory that is in use on cards before a job, for `lost_memory`."""
    for card in held:
        if (used := card.read().used_bytes) is not None:
            write_whole(_note(card), orjson.dumps(used))


def lost_memory(of: Sequence[Card] | None = None) -> list[LostMemory]:
    """Return which memory did not come back after the last jobs on cards.

    Args:
        of: The cards; None for all that no process has. Waits a few seconds for those that seem to lack memory.
    """
    return [lost for card in (_free_cards() if of is None else of) if (lost := _lost(card)) is not None]


def _lost(card: Card) -> LostMemory | None:
    try:
        before = int(orjson.loads(_note(card).read_bytes()))
    except (OSError, ValueError):
        return None
    ends = time.monotonic() + SETTLE_S
    while (used := card.read().used_bytes) is not None and used - before > LOST_BYTES:
        if time.monotonic() >= ends:
            _note(card).unlink(missing_ok=True)  # told once
            return LostMemory(card, used - before)
        time.sleep(LOOK_EVERY_S)
    return None


def _free_cards() -> Iterator[Card]:
    yield from filter(_is_free, cards())


def _is_free(card: Card) -> bool:
    lock = FileLock(_lock(card))
    is_free = lock.acquire(wait=False)
    lock.release()
    return is_free


def _refuse_in_vain(known: Sequence[Card], n: int, run: str) -> None:
    """Refuse to wait for cards that their holders keep until the very run ends that waits for them."""
    held = [(card, read_holder(_holder_note(card))) for card in known if run and not _is_free(card)]
    kept = [_told(card, by) for card, by in held if by is not None and by.keeps and by.run == run]
    if len(known) - len(kept) < n:
        what = f"waiting for {counted(n, 'GPU')} is in vain; taken until this run ends: {'; '.join(kept)}"
        raise NotReadyError(what, "Give the server fewer (model.server), or make these images in a run of their own.")


def _told(card: Card, holder: Holder | None) -> str:
    return f"{card.name} ({card.uuid}) by {holder or 'a process that is not known'}"


def _taken(known: Sequence[Card], n: int, *, all_free: bool) -> list[tuple[Card, FileLock]]:
    """Take the locks of n cards, or of a multiple; none if so many are not free."""
    taken: list[tuple[Card, FileLock]] = []
    for card in sorted(known, key=_free_bytes, reverse=True):
        lock = FileLock(_lock(card))
        if lock.acquire(wait=False):
            taken.append((card, lock))
            if len(taken) == n and not all_free:
                break
    n_kept = len(taken) // n * n
    for _, lock in taken[n_kept:]:
        lock.release()
    return taken[:n_kept]


def _free_bytes(card: Card) -> int:
    now = card.read()
    return (now.total_bytes or 0) - (now.used_bytes or 0)


def _lock(card: Card) -> Path:
    return _folder() / f"{card.uuid}.lock"


def _holder_note(card: Card) -> Path:
    return _folder() / f"{card.uuid}.holder"


def _note(card: Card) -> Path:
    return _folder() / f"{card.uuid}.json"


def _folder() -> Path:
    """Return the folder of the locks. Not TMPDIR, which can differ between the processes of a machine."""
    folder = Path(f"/tmp/imagemake-gpus-{os.getuid()}")  # noqa: S108  its owner is checked
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    stat = folder.lstat()
    if stat.st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink():
        raise NotReadyError(f"{folder} belongs to somebody else.", "Have it removed: locks of GPUs belong there.")
    return folder
