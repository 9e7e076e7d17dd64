"""How a run ends that the user stops: by Ctrl-C, SIGTERM, or SIGHUP, the last when a connection is lost.

Ctrl-C while a run is planned ends it at once. Later, after the first signal, no job starts, and the running ones are
told to stop by a note in ``work/``, because a signal may reach this process alone, and jobs may run on other machines.
Calls in flight have some time to land. A second signal ends the jobs on this machine at once.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING

from imagemake.core.errors import ExitCode
from imagemake.core.files import write_whole
from imagemake.core.known_secrets import REPLACEMENT, redacted
from imagemake.core.secrets import is_secret_value
from imagemake.store.layout import GENERATED, progress_folder, stopping_file
from imagemake.store.progress import Progress, read_progress
from imagemake.store.whole.work_files import forget_stop, tell_to_stop

if TYPE_CHECKING:
    from imagemake.store.remote.storage import Storage

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAME_S = 1.0  # a closed terminal can send its signal twice
AT_ONCE_S = 5.0


class _Stop:
    """What is to be stopped, and whether the process was told to."""

    def __init__(self) -> None:
        self.told_at = 0.0
        self.works: list[Path] = []
        self.grace_s = 0.0
        self.place: Storage | None = None
        self.given_up = 0  # calls that were in flight when the jobs were ended
        self._is_at_once = False
        self._end_of_snakemake = signal.getsignal(signal.SIGTERM)

    def heed(self, number: int, frame: FrameType | None) -> None:
        # In its own thread: the interrupted main thread may hold the locks of Snakemake and of standard error.
        now = time.monotonic()
        if not self.told_at:
            self.told_at = now
            Thread(target=self._stop, args=(number, frame), daemon=True).start()
        elif now - self.told_at >= SAME_S and not self._is_at_once:
            self._is_at_once = True
            Thread(target=self._stop_at_once, daemon=True).start()
            raise KeyboardInterrupt  # for jobs on other machines: Snakemake cancels them

    def _stop(self, number: int, frame: FrameType | None) -> None:
        for work in self.works:
            with suppress(OSError):
                write_whole(stopping_file(work), b"")
            tell_to_stop(self.place, work)
        in_flight = _told_by_generate(self.works).in_flight
        calls = f"{in_flight:,} call{'' if in_flight == 1 else 's'} in flight may land ({self.grace_s:g} s"
        again = "Ctrl-C again to stop at once"
        say(f"Stopping: {calls}; {again})" if in_flight else f"Stopping: running jobs end first ({again})")
        if callable(self._end_of_snakemake):
            self._end_of_snakemake(number, frame)

    def _stop_at_once(self) -> None:
        import psutil

        self.given_up = _told_by_generate(self.works).in_flight
        say("Stopping at once.")
        jobs = psutil.Process().children(recursive=True)
        for job in jobs:
            with suppress(psutil.Error):
                job.terminate()
        for job in psutil.wait_procs(jobs, AT_ONCE_S)[1]:
            with suppress(psutil.Error):
                job.kill()


_stops: list[_Stop] = []  # at most one: signals are handled once per process


def stop_while_planning() -> None:
    """Let Ctrl-C end this process at once until `stop_politely`, since asyncio would wait until the plan is made."""
    is_ours = signal.getsignal(signal.SIGINT) is _stop_planning
    if not _stops and not is_ours and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop_planning)


def _stop_planning(number: int, frame: FrameType | None) -> None:
    # Neither `print` nor an exception: the interrupted code may be writing to standard error, or catch what is raised.
    words = f"\nStopped. No job has started. To go on, run again:\n  {same_command()}\n"
    with suppress(OSError):
        os.write(2, words.encode(errors="backslashreplace"))
    os._exit(ExitCode.INTERRUPTED)


def stop_politely(work: Path, grace_s: float, place: Storage | None = None) -> None:
    """Handle the signals in place of Snakemake. Call this in the main thread, after Snakemake does so.

    Args:
        work: The folder ``work/`` of a project that is run.
        grace_s: How long its calls in flight may take to land, in seconds.
        place: Where jobs that share no disk find ``work/``; None if they share one.

    Raises:
        PlaceError: If the bucket cannot be written.
    """
    stopping_file(work).unlink(missing_ok=True)
    forget_stop(place, work)
    if not _stops:
        _stops.append(_Stop())
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` sets it
                signal.signal(number, _stops[0].heed)
    _stops[0].works.append(work.absolute())
    _stops[0].place = place
    _stops[0].grace_s = max(_stops[0].grace_s, grace_s)


def is_stopping() -> bool:
    """Return whether this run was told to stop."""
    return bool(_stops and _stops[0].told_at)


def exit_if_stopped() -> None:
    """If this run was told to stop, say what is kept, and exit with `ExitCode.INTERRUPTED`."""
    if is_stopping():
        is_seen = _stops[0].place is None
        say(_kept(_told_by_generate(_stops[0].works).done, _stops[0].given_up, is_seen=is_seen))
        sys.exit(ExitCode.INTERRUPTED)


def _kept(arrived: int, given_up: int, *, is_seen: bool) -> str:
    """Return what is kept; how much that is, only if this machine can see it."""
    images = f"{arrived:,} image{'' if arrived == 1 else 's'} of this run"
    kept = f"The store has {images}." if arrived else "No image arrived in this run."
    kept = kept if is_seen else "The store has the images that arrived."
    calls = (
        f" Up to {given_up:,} call{'' if given_up == 1 else 's'} may be billed without an image." if given_up else ""
    )
    return f"Stopped. {kept}{calls} To go on, run again:\n  {same_command()}"


def say(words: str) -> None:
    """Print lines to standard error, as far as somebody reads it: a lost connection takes the terminal with it."""
    with suppress(OSError):
        print(words, file=sys.stderr, flush=True)


def _told_by_generate(works: Iterable[Path]) -> Progress:
    files = (path for work in works for path in progress_folder(work).glob(f"{GENERATED}-*.json"))
    return sum(map(read_progress, files), start=Progress())


def same_command() -> str:
    """Return the command that started this process, as a user can type it, but without secrets, as in --precommand."""
    program = Path(sys.argv[0])
    name = "snakemake" if program.name == "__main__.py" else program.name
    words = [REPLACEMENT if is_secret_value(word) else redacted(word) for word in sys.argv[1:]]
    return shlex.join([name, *words])
