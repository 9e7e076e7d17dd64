"""A run that is told to stop, by a real signal in a process of its own."""

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imagemake.store.progress import JobProgress
from imagemake.workflow.stopping import same_command

# Stands for Snakemake: its handler of SIGTERM takes a lock that the main thread may hold.
PROGRAM = """
import signal, subprocess, sys, threading, time
from pathlib import Path
from imagemake.workflow import stopping

lock, ended = threading.Lock(), threading.Event()

def end(*args):
    with lock:
        ended.set()

signal.signal(signal.SIGTERM, end)
stopping.SAME_S = 0.3
stopping.stop_politely(Path("work"), 60)
job = subprocess.Popen(["sleep", "60"])
print("ready", flush=True)
try:
    with lock:
        time.sleep(0.5)
    ended.wait(30)
    job.wait(30 if len(sys.argv) > 1 else 0)
except (KeyboardInterrupt, subprocess.TimeoutExpired):
    pass
job.wait(30) if len(sys.argv) > 1 else job.kill()
stopping.exit_if_stopped()
"""

# Stands for Snakemake, too: asyncio takes the first Ctrl-C for a wish that the plan is the one to end.
PLANNING = """
import asyncio, time
from imagemake.config.campaign import load_campaign
from imagemake.workflow.planner import Planner

def make(self, scope):
    print("ready", flush=True)
    time.sleep(30)

async def plan():
    planner.plan("all")

Planner._make = make
model = {"provider": "preview", "name": "preview-1"}
planner = Planner(load_campaign({"campaign": "x", "catalog": "x.csv", "prompt": "{x}", "name": "{x}", "model": model}))
asyncio.run(plan())
"""


@pytest.fixture
def start(tmp_path):
    def started(*arguments, program=PROGRAM):
        command = [sys.executable, "-c", program, *arguments]
        run = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert run.stdout.readline() == "ready\n"
        return run

    return started


def tell(folder, **progress):
    (folder / "work").mkdir(exist_ok=True)
    job = JobProgress(folder / "work", Path("work/generated/generate-1.jsonl"), 20)
    job._written_at = 0
    job.update(**progress)


def test_ctrl_c_ends_a_plan_at_once_and_says_how_to_go_on(start):
    run = start(program=PLANNING)
    begin = time.monotonic()
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=60)
    assert time.monotonic() - begin < 20
    assert told.splitlines() == ["", "Stopped. No job has started. To go on, run again:", "  -c"]
    assert run.returncode == 130


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_says_what_is_in_flight_and_in_the_end_what_is_kept(start, tmp_path, name):
    run = start()
    tell(tmp_path, done=7, in_flight=12)
    run.send_signal(getattr(signal, name))
    _, told = run.communicate(timeout=60)
    assert told.splitlines() == [
        "Stopping: 12 calls in flight may land (60 s; Ctrl-C again to stop at once)",
        "Stopped. The store has 7 images of this run. To go on, run again:",
        "  -c",  # the name of this program
    ]
    assert run.returncode == 130
    assert (tmp_path / "work/stopping").exists(), "jobs that got no signal find this"


def test_a_second_signal_ends_the_jobs_but_one_that_was_sent_twice_does_not(start, tmp_path):
    run = start("wait for the job")
    tell(tmp_path, in_flight=1)
    for wait_s in (0.05, 0.6, 0):
        run.send_signal(signal.SIGHUP)
        time.sleep(wait_s)
    begin = time.monotonic()
    _, told = run.communicate(timeout=60)
    assert time.monotonic() - begin < 20
    assert told.splitlines()[:3] == [
        "Stopping: 1 call in flight may land (60 s; Ctrl-C again to stop at once)",
        "Stopping at once.",
        "Stopped. No image arrived in this run. Up to 1 call may be billed without an image. To go on, run again:",
    ]
    assert run.returncode == 130


def test_a_signal_that_is_ignored_as_by_nohup_stays_ignored(tmp_path):
    program = """
import os, signal
from pathlib import Path
from imagemake.workflow.stopping import is_stopping, stop_politely
signal.signal(signal.SIGHUP, signal.SIG_IGN)
stop_politely(Path("work"), 60)
os.kill(os.getpid(), signal.SIGHUP)
assert not is_stopping()
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


def test_the_command_to_go_on_is_what_the_shell_reads_as_typed_but_for_secrets(monkeypatch):
    monkeypatch.setenv("OUR_API_KEY", "swordfish-1234")
    fetch = "KEY=\"$(fetch 'our key')\" && export KEY"
    typed = ["--profile", "profiles/my batch", "--precommand", fetch]
    monkeypatch.setattr(sys, "argv", ["/x/snakemake/__main__.py", *typed])
    assert shlex.split(same_command()) == ["snakemake", *typed]
    for secret in ("export OUR_API_KEY=swordfish-1234", "export OPENAI_API_KEY=sk-0123456789abcdef"):
        monkeypatch.setattr(sys, "argv", ["/x/snakemake", *typed[:3], secret])
        told = same_command()
        assert told.startswith("snakemake --profile 'profiles/my batch' --precommand "), told
        assert "[secret]" in told and "swordfish" not in told and "sk-0" not in told, told
