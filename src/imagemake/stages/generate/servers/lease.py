"""A job's hold on a server that the build starts: the first job starts it, and it lasts as long as it is needed."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from imagemake.core.files import FileLock
from imagemake.core.problems import NotReadyError
from imagemake.stages.generate.servers.place import (
    MARK,
    RUN,
    SLURM_JOB,
    folder_of,
    folders_here,
    process_mark,
    socket_in,
)
from imagemake.store.layout import LOGS

if TYPE_CHECKING:
    from imagemake.config.server import Server

LOOK_EVERY_S = 0.5
TELL_AFTER_S = 3.0  # a server that is ready sooner needs no words
END_S = 60.0  # longest wait for the end of servers


class ServerGoneError(NotReadyError):
    """The server was not ready in time, or ended too often."""


class Lease:
    """A hold on a running server.

    Attributes:
        address: Where it is, without a path.
    """

    def __init__(self, name: str, connection: socket.socket) -> None:
        self.address = ""
        self._name = name
        self._connection = connection
        self._unread = b""

    def wait_until_ready(self, waiting: Callable[[str], None]) -> bool:
        """Wait until the server is ready.

        Args:
            waiting: Called about twice a second with what is waited for, in words. What it raises ends the wait.

        Returns:
            Whether it is ready; False if its supervisor has just ended, so that another one is to be started.

        Raises:
            ServerGoneError: If it cannot be started.
        """
        self._connection.settimeout(LOOK_EVERY_S)
        words = f"the server {self._name}"
        while not self.address:
            try:
                data = self._connection.recv(1 << 16)
            except TimeoutError:
                waiting(words)
                continue
            except OSError:
                return False
            if not data:
                return False
            for message in self._messages(data):
                if message["state"] == "starting":
                    line = f": {message['line']}" if message["line"] else ""
                    words = f"the server {self._name} ({message['for_s']:.0f} s){line}"[:160]
                else:
                    self._heed(message)
            waiting(words)
        return True

    async def watch(self) -> ServerGoneError:
        """Show warnings until the server is gone, and return why."""
        self._connection.setblocking(False)
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self._connection, 1 << 16):
            try:
                for message in self._messages(data):
                    self._heed(message)
            except ServerGoneError as error:
                return error
        remedy = "Run snakemake again, which starts it anew."
        return ServerGoneError(f"the supervisor of the server {self._name} was killed, and the server with it", remedy)

    def release(self) -> None:
        """Let the server end, unless somebody else needs it."""
        self._connection.close()

    def _messages(self, data: bytes) -> Iterator[dict[str, Any]]:
        *lines, self._unread = (self._unread + data).split(b"\n")
        yield from map(json.loads, lines)

    def _heed(self, message: dict[str, Any]) -> None:
        match message["state"]:
            case "ready":
                self.address = message["address"]
                if message["after_s"] >= TELL_AFTER_S:
                    _say(f"Server: {self._name} was ready after {message['after_s']:.0f} s.")
            case "warning":
                _say(f"Warning: {self._name}: {message['words']}")
            case "gone":
                ends = [f"{message['log']} ends:", *message["tail"]] if message["tail"] else []
                remedy = "\n  ".join([" ".join(["Correct model.server in config.yaml.", *ends[:1]]), *ends[1:]])
                raise ServerGoneError(f"the server {self._name} {message['what']}", remedy)


def lease_of(server: Server, waiting: Callable[[str], None]) -> Lease:
    """Start a server unless it runs, wait until it is ready, and hold it.

    Args:
        server: The server, with how to start it.
        waiting: See `Lease.wait_until_ready`.

    Raises:
        ServerGoneError: If it cannot be started.
    """
    name = name_of(server.command)
    settings = _settings(server, name)
    text = json.dumps(settings, sort_keys=True)
    folder = folder_of(text)
    while True:
        connection = _connected(folder) or _started(folder, text, settings["stop_s"])
        lease = Lease(name, connection)
        try:
            if lease.wait_until_ready(waiting):
                return lease
            lease.release()
        except BaseException:
            lease.release()
            raise


def begin_run() -> None:
    """Let the servers of the jobs of this process last until it ends. Jobs on other machines release them at once."""
    os.environ[RUN] = process_mark(os.getpid())


def end_run(project: Path) -> None:
    """Wait until the servers of this run have ended, so that their memory is free when the command returns.

    Args:
        project: The project's folder.
    """
    connections: list[socket.socket] = []
    with suppress(NotReadyError):
        found = (_connected(folder, {"end": True}) for folder in folders_here(project))
        connections += [one for one in found if one is not None]
    for connection in connections:
        with connection, suppress(OSError):
            connection.settimeout(END_S)
            connection.recv(1)  # until its end


def name_of(command: tuple[str, ...]) -> str:
    """Return a short name of a command: its program, or its module of Python."""
    name = PurePath(command[0]).name
    is_module = name.startswith("python") and "-m" in command[:-1]
    return command[command.index("-m") + 1] if is_module else name


def _settings(server: Server, name: str) -> dict[str, Any]:
    assert server.to_start is not None
    settings = server.to_start.model_dump(mode="json", exclude={"path"}) | {"command": list(server.command)}
    job = f"-{os.environ[SLURM_JOB]}" if os.environ.get(SLURM_JOB) else ""
    number = folder_of(*server.command).name.rpartition("-")[2][:8]
    return settings | {"log": str(LOGS / "servers" / f"{name}-{number}{job}.log")}


def _connected(folder: Path, message: dict[str, Any] | None = None) -> socket.socket | None:
    """Connect to a supervisor; None if there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(socket_in(folder)))
        connection.sendall(json.dumps(message or {"run": os.environ.get(RUN, "")}).encode() + b"\n")
    except OSError:
        connection.close()
        return None
    return connection


def _started(folder: Path, settings: str, stop_s: float) -> socket.socket:
    """Start a supervisor, unless another job has just done so, and connect to it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    with FileLock(folder / "starting"):
        if (connection := _connected(folder)) is not None:
            return connection
        own = {name: value for name, value in os.environ.items() if name != MARK}
        log = folder / "supervisor.log"
        with log.open("wb") as errors:
            supervisor = subprocess.Popen(  # noqa: S603  our own module
                [sys.executable, "-m", "imagemake.stages.generate.servers.supervisor", str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=own,
                start_new_session=True,  # Ctrl-C in the terminal is for the jobs
            )
        assert supervisor.stdin is not None
        assert supervisor.stdout is not None
        with supervisor.stdout as told, supervisor.stdin as given, suppress(OSError):
            given.write(settings.encode())
            given.close()
            told.readline()  # that it listens; nothing if it ended
        connection = _connected(folder)
        if connection is None:
            end = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it ended without a message"]
            raise ServerGoneError(f"the supervisor of a server did not start: {end[0]}", f"Its log is {log}.")
        return connection


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
