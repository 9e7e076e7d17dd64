"""Programs and jobs in a fork of a process that has imported them before: imports take longer than most runs.

Run as a program, this is that process. It imports what `PRELOADED` names and nothing else, then forks once per request.
`WarmPython.run` makes requests, and so does each job of a run that it starts: Bash reads the file that BASH_ENV names,
which puts a ``python`` onto PATH that runs `warm_job.py` in place of a script of a job.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import marshal
import os
import runpy
import select
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from typing import NoReturn

from folders import REPOSITORY, TESTS

PROGRAMS = {"snakemake": "snakemake.cli", "imagemake": "imagemake.cli.main"}  # the modules of their main()
PRELOADED = (
    *PROGRAMS.values(),
    "snakemake.report.html_reporter",
    "snakemake.storage",
    "imagemake.workflow.console.console",  # and not the logger plug-in, which reads the command line when imported
    "imagemake.release.missing",
    "imagemake.workflow.planner",
    "imagemake.workflow.snakemake_run",
    # What runs and their jobs import, and only when they need it.
    "imagemake.plan.summary",
    "imagemake.plugins.measures.phash",
    "imagemake.plugins.providers.openai.provider",
    "imagemake.plugins.steps.resize",
    "imagemake.release.gate_figures",
    "imagemake.release.writer",
    "imagemake.stages.generate.job",
    "imagemake.stages.postprocess.job",
    "imagemake.stages.validate.job",
    "imagemake.stages.validate.near_pairs",
    "imagemake.workflow.job_store",
    "imagemake.workflow.next_round",
    "imagemake.workflow.open_plans",
    "imagemake.workflow.preflight.servers",
    "imagemake.workflow.running",
    "anyio._backends._asyncio",
    "cv2",
    "httpcore2",
    "openai.resources.images",
    "pandas",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "smart_open",
    "truststore",
)
# What runs work out first, and is the same for all of them. The plug-ins for logging read the command line.
PREPARED = {
    "snakemake_interface_executor_plugins.registry": "ExecutorPluginRegistry",
    "snakemake_interface_report_plugins.registry": "ReportPluginRegistry",
    "snakemake_interface_scheduler_plugins.registry": "SchedulerPluginRegistry",
    "snakemake_interface_storage_plugins.registry": "StoragePluginRegistry",
    "imagemake.config.models": "load_models",
}
CAMPAIGN = {  # its sections are read once, since the types of sections are built when they are first used
    "campaign": "warm",
    "catalog": "config/catalog.csv",
    "prompt": "{a}",
    "name": "{a}",
    "model": {"provider": "openai", "name": "gpt-image-2", "key_from": "OPENAI_API_KEY"},
    "limits": {},
    "postprocess": {"steps": [{"resize": {"width_px": 64, "height_px": 64}}]},
}
LARGEST_REQUEST_BYTES = 1 << 18
PYTHON = """\
#!/bin/sh
case "$1" in
    {scripts}/*.py) exec {python} -I -S {client} {address} "$@" ;;
esac
exec {python} "$@"
"""


class WarmPython:
    """Starts ``snakemake`` and ``imagemake`` quickly, and their jobs. Its process ends with this one.

    Args:
        environment: Environment variables to start it with.

    Attributes:
        python: The ``python`` of jobs.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        folder = Path(mkdtemp(prefix="imagemake-warm-"))  # the process removes it when it ends
        self._address, self._bash_env = str(folder / "socket"), folder / "bash_env"
        self.python = folder / "bin" / "python"
        _write_python(self.python, self._address)
        self._bash_env.write_text(f"PATH={shlex.quote(str(self.python.parent))}:$PATH\n")
        self._held, theirs = socket.socketpair()  # it sees that this process has ended
        with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(self._address)
            listener.listen()
            files = [theirs.fileno(), listener.fileno()]
            command = [sys.executable, __file__, str(folder), *map(str, files)]
            self._process = subprocess.Popen(command, env=self._environment, pass_fds=files, start_new_session=True)

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
        variables = {**environment, "BASH_ENV": str(self._bash_env)}
        request = marshal.dumps((program, list(arguments), str(folder), variables))
        with (
            TemporaryFile() as out,
            TemporaryFile() as err,
            Path(os.devnull).open() as nothing,
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server,
        ):
            server.connect(self._address)
            socket.send_fds(server, [request], [nothing.fileno(), out.fileno(), err.fileno()])
            child = int(server.recv(32))
            if not select.select([server], [], [], timeout_s)[0]:
                os.kill(child, signal.SIGKILL)
                server.recv(32)
                raise TimeoutError(f"{program} {' '.join(arguments)} takes longer than {timeout_s} s")
            status = int(server.recv(32))
            told = []
            for file in (out, err):
                file.seek(0)
                told.append(file.read().decode())
        return subprocess.CompletedProcess([program, *arguments], os.waitstatus_to_exitcode(status), *told)


def _write_python(path: Path, address: str) -> None:
    path.parent.mkdir()
    words = {
        "scripts": REPOSITORY / "scripts",
        "python": sys.executable,
        "client": TESTS / "warm_job.py",
        "address": address,
    }
    path.write_text(PYTHON.format(**{name: shlex.quote(str(word)) for name, word in words.items()}))
    path.chmod(0o755)


def _of_python(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


def _serve(held: socket.socket, listener: socket.socket) -> None:
    events = selectors.DefaultSelector()
    events.register(held, selectors.EVENT_READ)
    events.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in events.select():
            if key.fileobj is held:
                return
            if key.fileobj is listener:
                client, _ = listener.accept()
                child = _fork(client)
                events.register(os.pidfd_open(child), selectors.EVENT_READ, (child, client))
            else:
                child, client = key.data
                events.unregister(key.fd)
                os.close(key.fd)
                status = os.waitpid(child, 0)[1]
                with client, suppress(BrokenPipeError):
                    client.send(str(status).encode())


def _fork(client: socket.socket) -> int:
    request, files, *_ = socket.recv_fds(client, LARGEST_REQUEST_BYTES, 3)
    child = os.fork()
    if child == 0:
        client.close()
        _become(files, *marshal.loads(request))
    for file in files:
        os.close(file)
    client.send(str(child).encode())
    return child


def _become(
    files: Sequence[int], program: str, arguments: Sequence[str], folder: str, environment: Mapping[str, str]
) -> NoReturn:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [program, *arguments]
    code = _code_of(_run, program)
    # What an interpreter does when it ends, but for taking all modules apart: that takes longer than most runs.
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _run(program: str) -> None:
    # The first entry of sys.path is the folder of this file.
    if program in PROGRAMS:
        sys.path[0] = str(Path.cwd())
        importlib.import_module(PROGRAMS[program]).main()
    else:
        entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        sys.path[:1] = [str(Path(program).parent), *(entry for entry in entries if entry not in sys.path)]
        runpy.run_path(program, run_name="__main__")


def _code_of(function: Callable[[str], None], program: str) -> int:
    """Return the exit code after a function, as an interpreter does, which prints what it raised."""
    try:
        function(program)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    for name in PRELOADED:
        importlib.import_module(name)
    for name, function in PREPARED.items():
        getattr(importlib.import_module(name), function)()
    importlib.import_module("imagemake.config.campaign").load_campaign(CAMPAIGN)
    assert threading.active_count() == 1, "a fork would lack the other threads"
    gc.freeze()
    folder, *sockets = sys.argv[1:]
    _serve(*(socket.socket(fileno=int(number)) for number in sockets))
    shutil.rmtree(folder, ignore_errors=True)
