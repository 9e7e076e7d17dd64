"""Jobs start in forks of Snakemake's process: do those do what a start does, and end when they should?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from folders import REPOSITORY

from imagemake.core.files import FileLock
from imagemake.workflow.forked_script import ADDRESS

COMMAND = [sys.executable, str(REPOSITORY / "scripts" / "start.py"), "release"]
OFFER = """
import os, sys
from pathlib import Path
from imagemake.core.files import FileLock
from imagemake.workflow.fork_server import offer_forks
lock = FileLock(Path("lock"))
assert lock.acquire(wait=False)
offer_forks()
print(os.environ["IMAGEMAKE_FORKS"], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def snakemake(tmp_path):
    """A process that offers forks, as Snakemake's does."""
    command = [sys.executable, "-c", OFFER]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
    ) as process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def forked(snakemake):
    """The environment of jobs in forks."""
    address = snakemake.stdout.readline().strip()
    assert Path(address).is_socket()
    return {**os.environ, ADDRESS: address}


def waiting_job(folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start a job that waits for more of its plan; the pipe's other end is open once this returns."""
    os.mkfifo(folder / "plan.json")
    command = [*COMMAND, "--plan", "plan.json"]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("arguments", [["--help"], ["--nothing"], ["--plan", "no.json"]])
def test_a_job_in_a_fork_tells_and_returns_what_one_that_starts_does(arguments, forked, tmp_path):
    def told(environment):
        done = subprocess.run(
            [*COMMAND, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr

    assert told(forked) == told(os.environ)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_a_job_in_a_fork_as_one_that_starts(number, forked, tmp_path):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("whoever started the tests ignores it, as a shell does in the background")

    def told(environment, folder):
        folder.mkdir()
        job = waiting_job(folder, environment)
        with (folder / "plan.json").open("wb"):
            job.send_signal(number)
            return job.wait(), job.communicate()[1]

    assert told(forked, tmp_path / "forked") == told(dict(os.environ), tmp_path / "started")


def test_a_signal_for_all_processes_of_a_run_reaches_a_job_in_a_fork_once(snakemake, forked, tmp_path):
    (tmp_path / "job.py").write_text(
        "import os, signal, sys\n"
        "for number in (signal.SIGTERM, signal.SIGHUP):\n"
        "    signal.signal(number, lambda number, _: os.write(1, b'%d\\n' % number))\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = ["-c", "from imagemake.workflow.forked_script import run_in_fork; run_in_fork('job.py', [])"]
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=tmp_path,
        env=forked,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=snakemake.pid,
    ) as job:
        assert job.stdout.readline() == "ready\n"
        os.killpg(snakemake.pid, signal.SIGTERM)
        assert job.stdout.readline() == f"{signal.SIGTERM:d}\n"
        job.send_signal(signal.SIGHUP)  # for this one alone, and after what else came
        assert job.stdout.readline() == f"{signal.SIGHUP:d}\n"
        job.stdin.close()


def test_a_job_ends_with_the_process_that_its_command_started(forked, tmp_path):
    job = waiting_job(tmp_path, forked)
    with (tmp_path / "plan.json").open("wb"):
        job.kill()
        assert job.communicate(timeout=60)[1] == ""  # nobody has its standard error open anymore


def test_a_job_outlives_a_killed_snakemake_and_keeps_none_of_its_locks(snakemake, forked, tmp_path):
    lock = FileLock(tmp_path / "lock")
    job = waiting_job(tmp_path, forked)
    with (tmp_path / "plan.json").open("wb") as plan:
        assert not lock.acquire(wait=False)
        snakemake.kill()
        snakemake.wait()
        assert lock.acquire(wait=False)
        plan.write(b"{}")
    assert job.wait() == 1
    assert "plan.json" in job.communicate()[1]


def test_a_job_starts_as_usual_if_nobody_offers_forks_anymore(tmp_path):
    environment = {**os.environ, ADDRESS: str(tmp_path / "gone")}
    done = subprocess.run([*COMMAND, "--help"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: release.py")


def test_the_server_is_gone_with_its_socket_when_snakemake_ends(snakemake, forked):
    snakemake.stdin.close()
    assert snakemake.wait() == 0
    assert not Path(forked[ADDRESS]).parent.exists()


def test_what_killed_processes_leave_is_swept_by_the_next_and_what_living_ones_use_is_not(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    (tmp_path / "imagemake-gpus-0").mkdir()
    processes = []
    try:
        for number in range(3):
            folder = tmp_path / f"project-{number}"
            folder.mkdir()
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-c", OFFER], cwd=folder, env=environment, stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, text=True, process_group=0,
                )
            )  # fmt: skip
            addresses = {Path(processes[-1].stdout.readline().strip()).parent} | {*tmp_path.glob("imagemake-forks-*")}
            if number == 0:
                os.killpg(processes[0].pid, signal.SIGKILL)
                processes[0].communicate()  # until all of the group have ended
                assert len(addresses) == 1
                (killed,) = addresses
        assert len(addresses) == 2
        assert killed not in addresses
        assert (tmp_path / "imagemake-gpus-0").is_dir()
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def test_a_run_without_locks_for_its_folder_starts_jobs_as_usual_and_leaves_nothing(tmp_path):
    no_locks = """
import errno, fcntl, os
def refuse(*_): raise OSError(errno.ENOLCK, "no locks available")
fcntl.flock = refuse
from imagemake.workflow.fork_server import offer_forks
offer_forks()
print(os.environ.get("IMAGEMAKE_FORKS"), os.listdir(os.environ["TMPDIR"]))
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop(ADDRESS, None)
    command = [sys.executable, "-c", no_locks]
    assert subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stdout == "None []\n"
