"""Programs in a fork of a process that has imported them before: importing Snakemake takes longer than most runs.

Run as a program, this is that process. It imports what `PRELOADED` names and nothing else, then forks once per request.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import NoReturn

import orjson

PROGRAMS = {"snakemake": "snakemake.cli", "imagemake": "imagemake.cli.main"}  # the modules of their main()
PRELOADED = (
    *PROGRAMS.values(),
    "snakemake.report.html_reporter",
    "imagemake.workflow.console.console",  # and not the logger plug-in, which reads the command line when imported
    "imagemake.release.missing",
    "imagemake.workflow.planner",
    "imagemake.workflow.snakemake_run",
)
LARGEST_REQUEST_BYTES = 1 << 18


class WarmPython:
    """Starts ``snakemake`` and ``imagemake`` quickly. Its process ends when nobody holds the other end of its socket.

    Args:
        environment: Environment variables to start it with.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._socket, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, env=self._environment, pass_fds=[theirs.fileno()], start_new_session=True
            )

    def can_run(self, environment: Mapping[str, str]) -> bool:
        """Whether a fork does what a new process would: Python reads some variables only when it starts."""
        return _of_python(environment) == _of_python(self._environment)

    def run(
        self, program: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, as `subprocess.run` does.

        Args:
            program: ``snakemake`` or ``imagemake``.
            arguments: Its arguments.
            folder: Working folder.
            environment: All environment variables.
            timeout_s: The longest time that it may take, in seconds.

        Raises:
            TimeoutError: If it takes longer. The program is killed then.
        """
        request = orjson.dumps([program, arguments, str(folder), dict(environment)])
        with TemporaryFile() as out, TemporaryFile() as err:
            socket.send_fds(self._socket, [request], [out.fileno(), err.fileno()])
            child = int(self._socket.recv(32))
            if not select.select([self._socket], [], [], timeout_s)[0]:
                os.kill(child, signal.SIGKILL)
                self._socket.recv(32)
                raise TimeoutError(f"{program} {' '.join(arguments)} takes longer than {timeout_s} s")
            status = int(self._socket.recv(32))
            told = []
            for file in (out, err):
                file.seek(0)
                told.append(file.read().decode())
        return subprocess.CompletedProcess([program, *arguments], os.waitstatus_to_exitcode(status), *told)


def _of_python(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


def _serve(requests: socket.socket) -> None:
    while True:
        request, files, *_ = socket.recv_fds(requests, LARGEST_REQUEST_BYTES, 2)
        if not request:
            return
        child = os.fork()
        if child == 0:
            requests.close()
            _become(files, *orjson.loads(request))
        for file in files:
            os.close(file)
        requests.send(str(child).encode())
        requests.send(str(os.waitpid(child, 0)[1]).encode())


def _become(
    files: Sequence[int], program: str, arguments: Sequence[str], folder: str, environment: Mapping[str, str]
) -> NoReturn:
    for number, file in enumerate(files, 1):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [program, *arguments]
    sys.path[0] = folder  # in place of the folder of this file
    importlib.import_module(PROGRAMS[program]).main()
    sys.exit()


if __name__ == "__main__":
    for name in PRELOADED:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a fork would lack the other threads"
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
