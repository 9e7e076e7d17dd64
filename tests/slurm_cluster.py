"""A Slurm cluster of two nodes on this machine, without accounting records, as long as a test needs it.

Slurm must be installed, and the tests must run as root: Slurm reads /etc/slurm/slurm.conf only, and a node is a process
with a hostname of its own, since Debian's slurmd does not start twice on one host.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from folders import TESTS

SETTINGS = Path("/etc/slurm")
OURS = "# Of the tests of imagemake\n"
NODES = ("n1", "n2")
START_S = 30
CONFIGURATION = """\
ClusterName=imagemake
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
KillWait=5
"""


def why_not() -> str | None:
    """Return why no cluster can be started here; None if it can."""
    missing = [name for name in ("slurmctld", "slurmd", "sbatch", "unshare") if shutil.which(name) is None]
    if missing:
        return f"Slurm is not installed: {', '.join(missing)}"
    if os.getuid() != 0:
        return "only root can start Slurm"
    file = SETTINGS / "slurm.conf"
    if file.exists() and not file.read_text().startswith(OURS):
        return f"{file} is there: this machine has a cluster of its own"
    return None


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """Start the cluster, and stop it with all its jobs. One at a time on this machine.

    Args:
        folder: A new folder for its state.
    """
    SETTINGS.mkdir(exist_ok=True)
    with (SETTINGS / "imagemake-tests.lock").open("w") as lock, ExitStack() as ending:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _configure(folder)
        ending.callback((SETTINGS / "slurm.conf").unlink)
        ending.enter_context(_daemon("slurmctld", "-D", log=folder / "slurmctld.log"))
        for node in NODES:
            command = ["unshare", "--uts", "sh", "-c", f"hostname {node}; exec slurmd -D"]
            ending.enter_context(_daemon(*command, log=folder / f"{node}.log"))
        ending.callback(_end_jobs)
        end_s = time.monotonic() + START_S
        while asked("sinfo", "--noheader", "--format=%D %T") != ["2 idle"]:
            if time.monotonic() > end_s:
                raise TimeoutError("\n".join(path.read_text() for path in folder.glob("*.log")))
            time.sleep(0.2)
        yield


def asked(*command: str) -> list[str]:
    """Return the lines that a command of Slurm prints; none if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def jobs(*columns: str) -> list[list[str]]:
    """Return some columns of squeue, such as `%N`, of all jobs so far."""
    lines = asked("squeue", "--noheader", "--states=all", f"--format={'|'.join(columns)}")
    return [line.split("|") for line in lines]


def install_plugin(folder: Path, requirements: str = "requirements-slurm.txt") -> str | None:
    """Install plug-ins of Snakemake into a folder for PYTHONPATH. Returns why they cannot be installed."""
    pip = ["uv", "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", str(folder)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [*pip, "--requirement", str(TESTS / requirements)]
    done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    return f"{requirements} cannot be installed: {done.stderr}" if done.returncode else None


def _configure(folder: Path) -> None:
    (folder / "state").mkdir(parents=True)
    with ExitStack() as ending:
        sockets = [ending.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(1 + len(NODES))]
        ports = [one.getsockname()[1] for one in sockets]
    lines = [CONFIGURATION.format(host=socket.gethostname(), folder=folder), f"SlurmctldPort={ports[0]}\n"]
    for node, port in zip(NODES, ports[1:], strict=True):
        (folder / node).mkdir()
        place = f"NodeName={node} NodeHostname={node} NodeAddr=127.0.0.1 Port={port}"
        lines.append(f"{place} CPUs=1 RealMemory=64000\n")
    lines.append("PartitionName=all Nodes=ALL Default=YES\n")
    (SETTINGS / "slurm.conf").write_text(OURS + "".join(lines))


@contextmanager
def _daemon(*command: str, log: Path) -> Iterator[None]:
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(START_S)


def _end_jobs() -> None:
    asked("scancel", "--full", "--signal=KILL", *(number for (number,) in jobs("%i")))
    asked("scancel", "--user=root")
    end_s = time.monotonic() + START_S
    while asked("squeue", "--noheader") and time.monotonic() < end_s:
        time.sleep(0.2)
