"""The process that keeps a server running for as long as somebody needs it: ``python -m …supervisor FOLDER``.

Whoever needs the server is connected to the supervisor's socket; the kernel closes the connection of a process that is
killed. The run of Snakemake needs it too, between the rounds: the supervisor watches that process. When nobody needs
the server anymore, the supervisor ends it, and itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from imagemake.core.files import FileLock
from imagemake.core.held_gpus import release_cards
from imagemake.core.problems import NotReadyError
from imagemake.stages.generate.servers.ending import sweep_servers
from imagemake.stages.generate.servers.forward import Forwarder
from imagemake.stages.generate.servers.place import live_process, process_mark, socket_in
from imagemake.stages.generate.servers.process import STARTS, Instructions, ServerProcess, last_lines
from imagemake.stages.generate.servers.visible_gpus import TooFewGpusError, held_gpus, shares_of

TELL_EVERY_S = 1.0
FIRST_LEASE_S = 30.0  # within which the process that starts a supervisor connects


class Supervisor:
    """Keeps the copies of one server.

    Args:
        folder: Where its socket is.
        settings: How to run the server, as `imagemake.stages.generate.servers.lease` sends it.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._folder = folder
        self._settings = settings
        self._servers: list[ServerProcess] = []
        self._forwarder = Forwarder(self._servers)
        self._began = time.monotonic()
        self._ready_after_s: float | None = None
        self._address = ""
        self._fault = ""  # why no server can be started at all
        self._waits_for = ""  # before there are servers
        self._leases: set[asyncio.StreamWriter] = set()
        self._runs: set[str] = set()
        self._told_lost: set[ServerProcess] = set()
        self._unneeded = asyncio.Event()
        self._warnings: list[str] = []

    async def run(self) -> None:
        """Serve until nobody needs the server."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._unneeded.set)
        path = socket_in(self._folder)
        path.unlink(missing_ok=True)
        listening = await asyncio.start_unix_server(self._lease, path)
        loop.call_later(FIRST_LEASE_S, self._look_whether_needed)
        print("listening", flush=True)
        self._address = await self._forwarder.listen()
        keeper = asyncio.create_task(self._keep_servers())
        teller = asyncio.create_task(self._tell_start())
        try:
            await self._unneeded.wait()
        finally:
            path.unlink(missing_ok=True)  # whoever comes now starts another supervisor, which waits for the lock
            listening.close()
            self._forwarder.close()
            for task in (teller, keeper):
                task.cancel()
            await asyncio.gather(teller, keeper, return_exceptions=True)

    async def _keep_servers(self) -> None:
        if swept := await asyncio.to_thread(sweep_servers):
            self._warn(f"{swept} processes of servers that were left behind were ended.")
        try:
            gpus = await asyncio.to_thread(held_gpus, self._settings, self._wait)
            self._add_servers(shares_of(gpus, self._settings["gpus"], self._settings["copies"]))
        except (NotReadyError, TooFewGpusError, OSError) as error:
            self._fault = f"cannot be started: {error}"
            self._tell(self._state)
            return
        await asyncio.gather(*(server.keep_running() for server in self._servers), return_exceptions=True)

    def _wait(self, words: str) -> None:
        self._waits_for = words
        if self._unneeded.is_set():
            raise NotReadyError("nobody needs it anymore", "")

    def _add_servers(self, shares: list[dict[str, str]]) -> None:
        settings, first_log = self._settings, Path(self._settings["log"])
        how = Instructions(
            tuple(settings["command"]), settings["ready"], settings["ready_s"], settings["restarts"], settings["stop_s"]
        )
        for n, variables in enumerate(shares):
            log = first_log if not n else first_log.with_suffix(f".{n + 1}.log")
            log.unlink(missing_ok=True)
            mark = f"{process_mark(os.getpid())}:{n}"
            server = ServerProcess(how, log, mark, variables, self._changed)
            self._servers.append(server)

    @property
    def _state(self) -> dict[str, Any]:
        """What a lease is told when it begins, and when this changes."""
        if self._fault or (self._servers and all(server.gone for server in self._servers)):
            gone = [server for server in self._servers if server.gone]
            what = self._fault or gone[-1].gone
            log = gone[-1].log if gone else None
            tail = [*last_lines(log)] if log is not None else []
            return {"state": "gone", "what": what, "log": str(log or ""), "tail": tail}
        if self._ready_after_s is not None:
            return {"state": "ready", "address": self._address, "after_s": self._ready_after_s}
        ends = [line for server in self._servers for line in last_lines(server.log, 1)]
        line = next((line for line in ends if not line.startswith(STARTS)), "" if self._servers else self._waits_for)
        return {"state": "starting", "for_s": time.monotonic() - self._began, "line": line}

    def _changed(self, warning: str) -> None:
        if warning:
            self._warn(warning)
        if self._ready_after_s is None and any(server.port is not None for server in self._servers):
            self._ready_after_s = time.monotonic() - self._began
            self._tell(self._state)
        lost = [server for server in self._servers if server.gone]
        if len(lost) == len(self._servers):
            release_cards()
            self._tell(self._state)
        else:
            for server in set(lost) - self._told_lost:
                self._told_lost.add(server)
                rest = len(self._servers) - len(lost)
                self._warn(f"one of {len(self._servers)} servers {server.gone} ({server.log}); {rest} go on.")
        self._forwarder.look_again()

    def _warn(self, words: str) -> None:
        self._warnings.append(words)
        self._tell({"state": "warning", "words": words})

    def _tell(self, message: dict[str, Any]) -> None:
        for lease in self._leases:
            _send(lease, message)

    async def _tell_start(self) -> None:
        while self._state["state"] == "starting":
            self._tell(self._state)
            await asyncio.sleep(TELL_EVERY_S)

    async def _lease(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = json.loads(await reader.readline() or "{}")
            if asked.get("end"):
                self._runs.clear()
            else:
                self._leases.add(writer)
                self._watch(asked.get("run", ""))
                for warning in self._warnings:
                    _send(writer, {"state": "warning", "words": warning})
                _send(writer, self._state)
            self._look_whether_needed()
            await reader.read()  # until the other side ends
        except (OSError, ValueError, asyncio.CancelledError):
            pass  # the last is the end of the supervisor
        finally:
            self._leases.discard(writer)
            writer.close()
            self._look_whether_needed()

    def _watch(self, run: str) -> None:
        """Stay until a process has ended."""
        pid = live_process(run)
        if pid is None or run in self._runs:
            return
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            return
        self._runs.add(run)

        def ended() -> None:
            asyncio.get_running_loop().remove_reader(handle)
            os.close(handle)
            self._runs.discard(run)
            self._look_whether_needed()

        asyncio.get_running_loop().add_reader(handle, ended)

    def _look_whether_needed(self) -> None:
        if not self._leases and not self._runs:
            self._unneeded.set()


def _send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    if not writer.is_closing():
        writer.write(json.dumps(message).encode() + b"\n")


def main() -> None:
    """Supervise the server whose settings are on standard input."""
    folder = Path(sys.argv[1])
    settings = json.loads(sys.stdin.read())
    lock = FileLock(folder / "lock")
    lock.acquire()  # another supervisor may still be ending the same server
    asyncio.run(Supervisor(folder, settings).run())


if __name__ == "__main__":
    main()
