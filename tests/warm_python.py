"""Programs in a fork of a process that has imported them before: imports take longer than most runs.

Run as a program, this is that process. It imports what `PRELOADED` names and nothing else, then forks once per request.
The jobs of a run are forks of that fork, as with every run; see `imagemake.workflow.fork_server`.
"""

from __future__ import annotations

import gc
import importlib
import marshal
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp

from imagemake.workflow.fork_server import serve

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


class WarmPython:
    """Starts ``snakemake`` and ``imagemake`` quickly. Its process ends with this one.

    Args:
        environment: Environment variables to start it with.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        folder = Path(mkdtemp(prefix="imagemake-warm-"))  # the process removes it when it ends
        self._address = str(folder / "socket")
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
        request = marshal.dumps((program, list(arguments), str(folder), dict(environment)))
        with (
            TemporaryFile() as out,
            TemporaryFile() as err,
            Path(os.devnull).open() as nothing,
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server,
        ):
            server.connect(self._address)
            socket.send_fds(server, [request], [nothing.fileno(), out.fileno(), err.fileno()])
            if not select.select([server], [], [], timeout_s)[0]:
                raise TimeoutError(f"{program} {' '.join(arguments)} takes longer than {timeout_s} s")
            status = int(server.recv(32))
            told = []
            for file in (out, err):
                file.seek(0)
                told.append(file.read().decode())
        return subprocess.CompletedProcess([program, *arguments], os.waitstatus_to_exitcode(status), *told)


def _of_python(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


def _run(program: str) -> None:
    sys.path[0] = str(Path.cwd())  # instead of the folder of this file
    importlib.import_module(PROGRAMS[program]).main()


if __name__ == "__main__":
    for name in PRELOADED:
        importlib.import_module(name)
    for name, function in PREPARED.items():
        getattr(importlib.import_module(name), function)()
    importlib.import_module("imagemake.config.campaign").load_campaign(CAMPAIGN)
    assert threading.active_count() == 1, "a fork would lack the other threads"
    gc.freeze()
    folder, *sockets = sys.argv[1:]
    serve(*(socket.socket(fileno=int(number)) for number in sockets), _run)
    shutil.rmtree(folder, ignore_errors=True)
