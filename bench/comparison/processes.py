"""Runs a program, and measures the CPU time and memory of all processes that come of it, daemons included."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

PR_SET_CHILD_SUBREAPER = 36  # from linux/prctl.h
POLL_S, MEMORY_EVERY_S = 0.2, 1.0
TIMEOUT_S = 3 * 3600


@dataclass(frozen=True)
class Used:
    """What a run took.

    Attributes:
        cpu_s: User and system time of all its processes.
        wall_s: Time on the clock.
        peak_mb: Largest sum of the memory of its processes; what several share counts once.
        status: Exit status; None if it was killed on purpose.
        said: The end of what it printed, if it failed.
    """

    cpu_s: float
    wall_s: float
    peak_mb: float
    status: int | None
    said: str = ""


class Runner:
    """Runs programs.

    Args:
        apart: Process ids that do not count, such as the stand-in's.
    """

    def __init__(self, apart: Collection[int]) -> None:
        # Orphans come to this process, so that a database server that goes on running is still counted.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._apart = set(apart)

    def run(
        self, command: list[str], log: Path, environment: Mapping[str, str], kill_if: Callable[[], bool] | None = None
    ) -> Used:
        """Run a program to its end, or until it is killed with all its processes.

        Args:
            command: The program.
            log: File for what it prints.
            environment: Its environment variables.
            kill_if: Asked several times a second whether to kill it.
        """
        cpu_s, start, peak, sampled = self._spent_s(), time.monotonic(), 0.0, 0.0
        killed = False
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
            while process.poll() is None:
                now = time.monotonic()
                if now - sampled >= MEMORY_EVERY_S:
                    peak, sampled = max(peak, self._memory_mb()), now
                if now - start > TIMEOUT_S or (kill_if is not None and kill_if()):
                    self.kill_all()
                    killed = True
                time.sleep(POLL_S)
        wall_s = time.monotonic() - start
        status = process.returncode if not killed else None if kill_if else -signal.SIGKILL
        said = log.read_text(errors="replace")[-1500:] if status else ""
        return Used(self._spent_s() - cpu_s, wall_s, peak, status, said)

    def kill_all(self) -> None:
        """Kill every process that came of a run, also those that went on after it."""
        processes = list(self._processes())
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=10)  # a process that nobody waits for looks alive to the next run

    def _processes(self) -> Iterator[psutil.Process]:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if process.pid not in self._apart and process.status() != psutil.STATUS_ZOMBIE:
                    yield process

    def _spent_s(self) -> float:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        total = ended.ru_utime + ended.ru_stime
        for process in psutil.Process().children(recursive=True):
            if process.pid not in self._apart:
                with suppress(psutil.NoSuchProcess):
                    total += sum(process.cpu_times()[:4])  # user, system, and those of its ended children
        return total

    def _memory_mb(self) -> float:
        total = 0
        for process in self._processes():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
        return total / 1e6


def cpu_s_of(pid: int) -> float:
    """Return the CPU time of a process so far."""
    return float(sum(psutil.Process(pid).cpu_times()[:2]))


def machine() -> str:
    """Describe this machine in words."""
    memory_gb = psutil.virtual_memory().total / 1e9
    model = next(
        (line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), "unknown processor"
    )
    return f"{len(os.sched_getaffinity(0))} cores ({model}), {memory_gb:.0f} GB of memory"


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
