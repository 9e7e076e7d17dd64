"""Work in a child process that may crash: its results are kept, and a step that crashes it twice is skipped.

A segmentation fault in an image library ends a process, and no `except` sees it. So a child works item by item, and the
parent, which imports nothing heavy, keeps the results. If a signal ends the child, another child goes on with the same
item. The first time it repeats the step, because the system may just have been short of memory. After the second time
at the same step, it skips that step.
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

from imagemake.core.errors import exit_on_error

DEATHS_OF_A_STEP = 2
KEPT_BYTES = 256 << 20
MOST_DEATHS = 20  # per job; more are not the fault of images

Fatal = Mapping[int, str]  # steps to skip, each with the name of the signal


class Work(Protocol):
    """The work of a child process."""

    def __call__(self, item: int, fatal: Fatal, at: Callable[[int], None]) -> bytes:
        """Process one item.

        Args:
            item: The number of the item, from 0.
            fatal: Steps of this item to skip, each with the signal that ended the process there.
            at: Call it before each step with the number of the step.

        Returns:
            The result, without line ends.
        """


class WorkPosition(NamedTuple):
    """The position of a child in its work."""

    item: int
    step: int


class Mark:
    """The position of a child, in memory that outlives the child."""

    _FORM = "qq"

    def __init__(self) -> None:
        self._memory = mmap(-1, struct.calcsize(self._FORM))
        self.set(-1, -1)

    def set(self, item: int, step: int) -> None:
        """Store the position: a few bytes in memory, without a system call."""
        struct.pack_into(self._FORM, self._memory, 0, item, step)

    @property
    def place(self) -> WorkPosition:
        """The last position; item -1 before the first item."""
        return WorkPosition(*struct.unpack_from(self._FORM, self._memory))


def do_all(
    n_items: int, make_work: Callable[[], Work], made: Callable[[int], object] = lambda n_results: None
) -> list[bytes]:
    """Process items one after another in a child process, and in further ones if a child crashes.

    Args:
        n_items: Number of items.
        make_work: Called in each child; it does the imports and everything else that takes long or may crash.
        made: Called after each result with the number of results so far.

    Returns:
        One result per item.

    Raises:
        SystemExit: If the child exits with an error, crashes before its first item, or crashes too often.
    """
    results: list[bytes] = []

    def keep(result: bytes) -> None:
        results.append(result)
        made(len(results))

    deaths: dict[WorkPosition, list[str]] = {}
    while len(results) < n_items:
        fatal = {
            place.step: names[-1]
            for place, names in deaths.items()
            if place.item == len(results) and len(names) >= DEATHS_OF_A_STEP
        }
        mark = Mark()
        status = _follow(range(len(results), n_items), fatal, make_work, mark, keep)
        if os.WIFEXITED(status):
            if len(results) < n_items:
                sys.exit(os.WEXITSTATUS(status) or "A process of this job ended before its work was done.")
            break
        _count_death(mark.place, Signals(os.WTERMSIG(status)).name, deaths)
    return results


def _count_death(place: WorkPosition, name: str, deaths: dict[WorkPosition, list[str]]) -> None:
    if place.item < 0:
        sys.exit(f"The job's process crashed with {name} before its first item: a library that it loads is broken.")
    deaths.setdefault(place, []).append(name)
    n_deaths = sum(map(len, deaths.values()))
    if n_deaths >= MOST_DEATHS:
        sys.exit(
            f"The job's process crashed {n_deaths} times, the last time with {name}: too often for a few bad images."
        )
    print(f"The job's process crashed with {name} at item {place.item}, step {place.step}. Going on.", file=sys.stderr)


def _follow(
    items: range, fatal: Fatal, make_work: Callable[[], Work], mark: Mark, keep: Callable[[bytes], None]
) -> int:
    """Start a child, keep its results as they arrive, and return its exit status."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(items, fatal, make_work, mark, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as lines:  # also closed on Ctrl-C: then the child cannot write anymore
        for line in lines:
            if line.endswith(b"\n"):
                keep(line[:-1])
    return os.waitpid(child, 0)[1]


def _work(items: range, fatal: Fatal, make_work: Callable[[], Work], mark: Mark, writing: int) -> NoReturn:
    """Run as the child; never returns into the parent's program."""
    code = 1
    try:
        import faulthandler

        faulthandler.enable()  # logs where the process crashes
        with exit_on_error():
            work = make_work()
        with os.fdopen(writing, "wb") as lines:
            for item in items:
                with exit_on_error():
                    result = work(item, fatal if item == items[0] else {}, partial(mark.set, item))
                lines.write(result + b"\n")
                lines.flush()
        code = 0
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        code = stop.code if isinstance(stop.code, int) else 1
    except BrokenPipeError:
        pass  # the parent is gone, so the results are not needed
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def keep_memory() -> None:
    """Let the C library keep free memory; otherwise a job returns it after each image and requests it again.

    Only glibc supports this; with other libraries, nothing happens. The numbers are M_TRIM_THRESHOLD and
    M_MMAP_THRESHOLD of its malloc.h; the latter may be 32 MiB at most.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(-1, KEPT_BYTES)
        mallopt(-3, 32 << 20)
