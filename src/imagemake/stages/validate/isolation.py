"""Work in a process of its own that may die: what it did is kept, and the step that kills it twice is left out.

A segmentation fault in a library for images ends a process, and no `except` sees it. So a child does the work, item
by item, and the parent, which imports nothing heavy, keeps the results. Where the child dies by a signal, another one
goes on at the same item: the first time as if nothing had happened, because somebody else may just have needed the
memory; after the second time at the same step, that step is left out.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Callable, Mapping
from functools import partial
from mmap import mmap
from signal import Signals
from typing import NamedTuple, NoReturn, Protocol

DEATHS_OF_A_STEP = 2
KEPT_BYTES = 256 << 20
MOST_DEATHS = 20  # of one job; more, and it is not the images

Fatal = Mapping[int, str]  # by step, the name of the signal


class Work(Protocol):
    """What a child does."""

    def __call__(self, item: int, fatal: Fatal, at: Callable[[int], None]) -> bytes:
        """Do one item.

        Args:
            item: Its number, from 0.
            fatal: Steps of this item to leave out, each with the signal that ended the process there.
            at: To be called before each step, with its number.

        Returns:
            The result, without line ends.
        """


class WorkPosition(NamedTuple):
    """Where a child is."""

    item: int
    step: int


class Mark:
    """Where a child is, in memory that outlives it."""

    _FORM = "qq"

    def __init__(self) -> None:
        self._memory = mmap(-1, struct.calcsize(self._FORM))
        self.set(-1, -1)

    def set(self, item: int, step: int) -> None:
        """Say where it is: a few bytes in memory, no call of the system."""
        struct.pack_into(self._FORM, self._memory, 0, item, step)

    @property
    def place(self) -> WorkPosition:
        """Where it was last; item -1 before the first one."""
        return WorkPosition(*struct.unpack_from(self._FORM, self._memory))


def do_all(n_items: int, make_work: Callable[[], Work]) -> list[bytes]:
    """Do a number of items, one after another, in a child process; in several where one dies.

    Args:
        n_items: How many.
        make_work: Called in each child, for imports and whatever else takes long or may crash.

    Returns:
        One result an item.

    Raises:
        SystemExit: With the child's status where it ended by itself; where it died before its first item, or too often.
    """
    results: list[bytes] = []
    deaths: dict[WorkPosition, list[str]] = {}
    while len(results) < n_items:
        fatal = {
            place.step: names[-1]
            for place, names in deaths.items()
            if place.item == len(results) and len(names) >= DEATHS_OF_A_STEP
        }
        mark = Mark()
        status = _follow(range(len(results), n_items), fatal, make_work, mark, results)
        if os.WIFEXITED(status):
            if len(results) < n_items:
                sys.exit(os.WEXITSTATUS(status) or "A process of the job ended before its work was done.")
            break
        _count_death(mark.place, Signals(os.WTERMSIG(status)).name, deaths)
    return results


def _count_death(place: WorkPosition, name: str, deaths: dict[WorkPosition, list[str]]) -> None:
    if place.item < 0:
        sys.exit(f"The job's process died of {name} before its first item: something that it loads is broken.")
    deaths.setdefault(place, []).append(name)
    n_deaths = sum(map(len, deaths.values()))
    if n_deaths >= MOST_DEATHS:
        sys.exit(f"The job's process died {n_deaths} times, at last of {name}: that is more than some odd items.")
    print(f"The job's process died of {name} at item {place.item}, step {place.step}. Going on.", file=sys.stderr)


def _follow(items: range, fatal: Fatal, make_work: Callable[[], Work], mark: Mark, results: list[bytes]) -> int:
    """Start a child, add its results as they come, and return the status that it ended with."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(items, fatal, make_work, mark, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as lines:  # closed on Ctrl-C, too, and then the child cannot write any more
        results.extend(line[:-1] for line in lines if line.endswith(b"\n"))
    return os.waitpid(child, 0)[1]


def _work(items: range, fatal: Fatal, make_work: Callable[[], Work], mark: Mark, writing: int) -> NoReturn:
    """Be the child: never returns into the parent's program."""
    code = 1
    try:
        import faulthandler

        faulthandler.enable()  # where it dies goes to the log
        work = make_work()
        with os.fdopen(writing, "wb") as lines:
            for item in items:
                lines.write(work(item, fatal if item == items[0] else {}, partial(mark.set, item)) + b"\n")
                lines.flush()
        code = 0
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        code = stop.code if isinstance(stop.code, int) else 1
    except BrokenPipeError:
        pass  # the parent is gone, and nobody waits for the results
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def keep_memory() -> None:
    """Let the C library keep memory that is free: without that, a job gives each image back, and faults it in again.

    Only glibc has this; elsewhere nothing happens. M_TRIM_THRESHOLD and M_MMAP_THRESHOLD are of its malloc.h; the
    latter may be 32 MiB at most.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(-1, KEPT_BYTES)
        mallopt(-3, 32 << 20)
