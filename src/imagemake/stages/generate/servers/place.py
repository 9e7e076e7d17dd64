"""Where a server's supervisor is found, and how its processes are told from all others.

A supervisor serves one command for one project on one machine. Within a Slurm job it serves that job only, because
Slurm ends all processes of a job with the job.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from imagemake.core.files import this_boot
from imagemake.core.problems import NotReadyError

RUN = "IMAGEMAKE_RUN"  # environment variable: the process of Snakemake that a job belongs to
MARK = "IMAGEMAKE_SERVER"  # environment variable of a server's processes: their supervisor
SLURM_JOB = "SLURM_JOB_ID"
LONGEST_FOLDER = 60  # characters; a socket's path has at most 107


def folder_of(*settings: str) -> Path:
    """Return the folder of a supervisor for the project in the working folder; it may not exist yet.

    Args:
        settings: What tells the servers of this project from each other.
    """
    return _root() / f"{_scope(Path.cwd())}-{_digest(*settings)}"


def folders_here(project: Path) -> Iterator[Path]:
    """Yield the folders of a project's supervisors on this machine, running or not."""
    yield from sorted(_root().glob(f"{_scope(project)}-*"))


def socket_in(folder: Path) -> Path:
    """Return the socket of a supervisor."""
    return folder / "socket"


def process_mark(pid: int) -> str:
    """Return a text that names a process of this machine once and for all; empty if there is no such process."""
    started = started_at(pid)
    return f"{this_boot()}:{pid}:{started}" if started else ""


def live_process(mark: str) -> int | None:
    """Return the ID of a marked process; None if it has ended, or is of another machine."""
    boot, pid, started = (*mark.split(":"), "", "")[:3]
    if boot != this_boot() or not pid.isdecimal():
        return None
    return int(pid) if started_at(int(pid)) == started else None


class Seen(NamedTuple):
    """A live process of this user: its ID, its session, and the mark of the supervisor that it belongs to, or none."""

    pid: int
    session: int
    mark: str


def processes() -> Iterator[Seen]:
    """Yield the live processes of this user. Only Linux tells them."""
    prefix = f"{MARK}=".encode()
    for pid in (int(entry.name) for entry in Path("/proc").glob("[0-9]*")):
        with suppress(OSError):
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if fields := _fields(pid):
                mark = next((one.removeprefix(prefix) for one in variables if one.startswith(prefix)), b"")
                yield Seen(pid, int(fields[3]), os.fsdecode(mark))


def started_at(pid: int) -> str:
    """Return when a process started, in ticks since the machine did; empty if it has ended, or off Linux."""
    fields = _fields(pid)
    return fields[19] if fields else ""


def _fields(pid: int) -> list[str]:
    """Return the fields of a live process in /proc/PID/stat from its state on, which is the third."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
    return [] if not fields or fields[0] in "ZX" else fields


def _scope(project: Path) -> str:
    return _digest(str(project.resolve()), this_boot(), os.environ.get(SLURM_JOB, ""))


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def _root() -> Path:
    """Return the folder of all supervisors of this user. It is on this machine: a shared disk has no sockets."""
    name = f"imagemake-servers-{os.getuid()}"
    folder = Path(tempfile.gettempdir(), name)
    if len(str(folder)) > LONGEST_FOLDER:
        folder = Path("/tmp", name)  # noqa: S108  its owner is checked
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if folder.is_symlink() or not folder.is_dir() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        what = f"{folder} is not a folder of yours alone."
        raise NotReadyError(what, "Remove it: sockets of the servers that the build starts belong there.")
    return folder
