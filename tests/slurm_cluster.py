"""A Slurm cluster of three nodes on this machine, without accounting records, as long as a test needs it.

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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from folders import TESTS

SETTINGS = Path("/etc/slurm")
OURS = "# Of the tests of imagemake\n"
NODES = {"n1": "CPUs=1", "n2": "CPUs=1", "g1": "CPUs=4 Gres=gpu:1"}
PARTITIONS = ("PartitionName=all Nodes=n1,n2 Default=YES", "PartitionName=gpu Nodes=g1")
START_S = 30
CONFIGURATION = """\
ClusterName=imagemake
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge
CredType=cred/munge
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
GresTypes=gpu
SlurmdParameters=config_overrides
KillWait=5
OverTimeLimit=0
"""
CARDS = "NodeName=g1 Name=gpu File=/dev/null\n"  # any device does


def why_not() -> str | None:
    """Return why no cluster can be started here; None if it can."""
    missing = [name for name in ("slurmctld", "slurmd", "sbatch", "munged", "unshare") if shutil.which(name) is None]
    if missing:
        return f"Slurm is not installed: {', '.join(missing)}"
    if os.getuid() != 0:
        return "only root can start Slurm"
    file = SETTINGS / "slurm.conf"
    if file.exists() and not file.read_text().startswith(OURS):
        return f"{file} is there: this machine has a cluster of its own"
    return None


@contextmanager
def cluster(folder: Path, *lines: str) -> Iterator[None]:
    """Start the cluster, and stop it with all its jobs. One at a time on this machine.

    Args:
        folder: A new folder for its state.
        lines: More lines of its configuration, which replace ours.
    """
    SETTINGS.mkdir(exist_ok=True)
    with (SETTINGS / "imagemake-tests.lock").open("w") as lock, ExitStack() as ending:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _configure(folder, lines)
        ending.callback((SETTINGS / "slurm.conf").unlink)
        ending.callback((SETTINGS / "gres.conf").unlink)
        ending.enter_context(_munge(folder))
        ending.enter_context(_daemon("slurmctld", "-D", log=folder / "slurmctld.log"))
        for node in NODES:
            command = ["unshare", "--uts", "sh", "-c", f"hostname {node}; exec slurmd -D"]
            ending.enter_context(_daemon(*command, log=folder / f"{node}.log"))
        ending.callback(_end_jobs)
        end_s = time.monotonic() + START_S
        while sorted(asked("sinfo", "--noheader", "--Node", "--format=%N %T")) != [
            f"{node} idle" for node in sorted(NODES)
        ]:
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


def _configure(folder: Path, more: Sequence[str]) -> None:
    (folder / "state").mkdir(parents=True)
    with ExitStack() as ending:
        sockets = [ending.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(1 + len(NODES))]
        ports = [one.getsockname()[1] for one in sockets]
    given = {line.partition("=")[0] for line in more}
    ours = CONFIGURATION.format(host=socket.gethostname(), folder=folder).splitlines()
    lines = [f"{line}\n" for line in (*ours, f"SlurmctldPort={ports[0]}") if line.partition("=")[0] not in given]
    lines += [f"{line}\n" for line in more]
    for node, port in zip(NODES, ports[1:], strict=True):
        (folder / node).mkdir()
        place = f"NodeName={node} NodeHostname={node} NodeAddr=127.0.0.1 Port={port}"
        lines.append(f"{place} {NODES[node]} RealMemory=64000\n")
    lines += [f"{partition}\n" for partition in PARTITIONS]
    (SETTINGS / "slurm.conf").write_text(OURS + "".join(lines))
    (SETTINGS / "gres.conf").write_text(OURS + CARDS)


@contextmanager
def _munge(folder: Path) -> Iterator[None]:
    """Run the daemon by which each message says who sent it, with a key of its own."""
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    place = ("--socket", str(folder / "munge"), "--key-file", str(key), "--pid-file", str(folder / "munge.pid"))
    more = ("--seed-file", str(folder / "munge.seed"), "--log-file", str(folder / "munge.log"), "--force")
    with _daemon("munged", "--foreground", *place, *more, log=folder / "munged.log"):
        end_s = time.monotonic() + START_S
        while not (folder / "munge").exists() and time.monotonic() < end_s:
            time.sleep(0.1)
        yield


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
