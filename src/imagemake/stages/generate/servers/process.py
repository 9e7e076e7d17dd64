"""One server process: started, waited for, watched, started again, and ended."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from imagemake.config.placeholders import parse_template
from imagemake.core.text import counted, printable
from imagemake.stages.generate.servers.ending import end_processes, processes_of
from imagemake.stages.generate.servers.place import MARK

HOST = "127.0.0.1"
LOOK_EVERY_S = 0.25
ANSWER_S = 5.0
TAIL_BYTES, TAIL_LINES, LINE_CHARACTERS = 20_000, 20, 300
RESTARTS_WITHIN_S = 3600.0
TAKEN = "in use"  # what programs say about a port that another process has taken
PR_SET_PDEATHSIG = 1
STARTS = "imagemake starts"  # how the line in a log begins that is ours


@dataclass(frozen=True, slots=True)
class Instructions:
    """How to run a server; see `imagemake.config.started_server`."""

    command: tuple[str, ...]
    ready: str | None
    ready_s: float
    restarts: int
    stop_s: float


@dataclass(slots=True, eq=False)
class ServerProcess:
    """Keeps one server running until it is cancelled, or the server ends too often.

    Attributes:
        how: How to run it.
        log: Its log; each start adds to it.
        mark: Tells its processes from all others.
        variables: Environment variables that only this server gets.
        changed: Called when `port` or `gone` changed, with a warning or with no words.
        port: Where it listens; None while it is not ready.
        gone: Why it is not started again; empty while it is.
        connections: Open connections to it.
        starts: Number of starts so far.
    """

    how: Instructions
    log: Path
    mark: str
    variables: Mapping[str, str]
    changed: Callable[[str], None]
    port: int | None = None
    gone: str = ""
    connections: int = 0
    starts: int = 0
    _ended: deque[float] = field(default_factory=deque)
    _process: asyncio.subprocess.Process | None = None

    async def keep_running(self) -> None:
        """Start the server, and start it again when it ends, within bounds."""
        try:
            while not self.gone:
                was_ready, why = await self._run_once()
                await self._end()
                self._judge(why, was_ready=was_ready)
        finally:
            await asyncio.shield(self._end())

    def _judge(self, why: str, *, was_ready: bool) -> None:
        """Decide whether the server is started again."""
        now, tail = time.monotonic(), last_lines(self.log)
        first = not was_ready and not self._ended
        if first and not (self.starts == 1 and any(TAKEN in line.lower() for line in tail)):
            self.gone = why
            self.changed("")
            return
        while self._ended and now - self._ended[0] > RESTARTS_WITHIN_S:
            self._ended.popleft()
        if len(self._ended) >= self.how.restarts:
            self.gone = f"{why}; it is not started again after {counted(len(self._ended), 'restart')} within an hour"
            self.changed("")
            return
        self._ended.append(now)
        again = f"the server {why}; it is started again ({len(self._ended)} of {self.how.restarts}). {self.log} ends:"
        self.changed("\n  ".join([again, *tail]))

    async def _run_once(self) -> tuple[bool, str]:
        """Run the server until it ends; return whether it was ready, and how it ended."""
        began, port = time.monotonic(), free_port()
        self.starts += 1
        try:
            process = self._process = await self._spawn(port)
        except OSError as error:
            return False, f"cannot be started: {error.strerror or error}"
        ended = asyncio.ensure_future(process.wait())
        ready = asyncio.ensure_future(self._wait_until_ready(port))
        try:
            await asyncio.wait((ended, ready), timeout=self.how.ready_s, return_when=asyncio.FIRST_COMPLETED)
            took = f"after {time.monotonic() - began:.1f} s"
            if ended.done():
                return False, f"ended {took} with {_status(process)}, before it was ready"
            if not ready.done():
                return False, f"is not ready after {self.how.ready_s:g} s: {self._said(port)}"
            self.port = port
            self.changed("")
            await ended
            return True, f"ended with {_status(process)}"
        finally:
            self.port = None
            for task in (ended, ready):
                task.cancel()

    async def _spawn(self, port: int) -> asyncio.subprocess.Process:
        command = [parse_template(word).render({"port": str(port)}) for word in self.how.command]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # SPT_NOENV: what renames its process, such as vLLM, would overwrite the mark.
        own = {"PYTHONUNBUFFERED": "1", "SPT_NOENV": "1", **self.variables, MARK: self.mark}
        with self.log.open("ab") as log:
            log.write(f"{'' if self.starts == 1 else chr(10)}{STARTS} {' '.join(command)}\n".encode())
            log.flush()
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **own},
                start_new_session=True,
                preexec_fn=_end_with_parent if _LIBC is not None else None,
            )

    async def _wait_until_ready(self, port: int) -> None:
        while not await is_ready(port, self.how.ready):
            await asyncio.sleep(LOOK_EVERY_S)

    def _said(self, port: int) -> str:
        asked = f"http://{HOST}:{port}{self.how.ready or ''}"
        return f"{asked} does not answer with a status below 400" if self.how.ready else f"{asked} refuses connections"

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            pid, mark = process.pid, self.mark
            await asyncio.to_thread(end_processes, lambda: processes_of(mark, pid), self.how.stop_s)
            await process.wait()


async def is_ready(port: int, path: str | None) -> bool:
    """Return whether a server accepts connections, and answers a path with a status below 400 if one is given."""
    writer = None
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(HOST, port)
            if path is None:
                return True
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
            words = (await reader.readline()).split()
            return len(words) > 1 and words[1].isdigit() and 200 <= int(words[1]) < 400
    except (OSError, TimeoutError, ValueError):
        return False
    finally:
        if writer is not None:
            writer.close()


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        port: int = listening.getsockname()[1]
        return port


def last_lines(log: Path, count: int = TAIL_LINES) -> Sequence[str]:
    """Return the last lines of a log, without what a terminal would interpret."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    # A carriage return begins a progress bar anew.
    lines = [line.rstrip().rpartition("\r")[2] for line in text.split("\n")]
    return [printable(line)[:LINE_CHARACTERS] for line in lines if line][-count:]


def _status(process: asyncio.subprocess.Process) -> str:
    code = process.returncode or 0
    with suppress(ValueError):
        if code < 0:
            return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"


_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_SUPERVISOR = os.getpid()


def _end_with_parent() -> None:
    """Let the kernel kill this process when the supervisor is killed."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # type: ignore[union-attr]
    if os.getppid() != _SUPERVISOR:
        os._exit(1)
