"""End all processes of a server: those that its command started too, and those that a killed supervisor left."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from imagemake.core.files import this_boot
from imagemake.stages.generate.servers.place import live_process, processes

LOOK_EVERY_S = 0.05
KILLED_S = 5.0  # how long the kernel may take to end a killed process


def processes_of(mark: str, session: int) -> list[int]:
    """Return the live processes of a server: processes inherit its mark and its session, and may drop one of them."""
    if sys.platform == "linux":
        return [seen.pid for seen in processes() if (mark and seen.mark == mark) or seen.session == session]
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(session, 0)
        return [-session]  # the whole group, for `send`
    return []


def end_processes(find: Callable[[], list[int]], patience_s: float) -> None:
    """Ask processes to end, and kill those that do not.

    Args:
        find: Returns those that live.
        patience_s: How long they may take to end, in seconds.
    """
    _send(signal.SIGTERM, find())
    if not _are_gone(find, patience_s):
        _send(signal.SIGKILL, find())
        _are_gone(find, KILLED_S)


def sweep_servers(patience_s: float = 5.0) -> int:
    """End servers whose supervisor was killed, of all projects of this user; return how many processes that were."""

    def left() -> list[int]:
        return [seen.pid for seen in processes() if _is_left(seen.mark)]

    count = len(left())
    if count:
        end_processes(left, patience_s)
    return count


def _is_left(mark: str) -> bool:
    return mark.startswith(f"{this_boot()}:") and live_process(mark) is None


def _are_gone(find: Callable[[], list[int]], longest_s: float) -> bool:
    ends = time.monotonic() + longest_s
    while find():
        if time.monotonic() >= ends:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _send(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
