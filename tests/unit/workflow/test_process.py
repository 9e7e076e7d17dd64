"""The environment that jobs share with the process that starts them."""

import os
import signal
import subprocess
import threading
import time

import pytest

from imagemake.workflow.process import job_prefix, let_sigterm_wait


@pytest.fixture
def sigterm():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_handler_that_wants_what_the_main_thread_holds_waits_instead_of_stopping_everything(sigterm):
    lock, handled = threading.Lock(), threading.Event()

    def handler(*args):
        if lock.acquire(timeout=10):
            handled.set()

    signal.signal(signal.SIGTERM, handler)
    let_sigterm_wait()
    with lock:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
        assert not handled.is_set()
    assert handled.wait(10)


def test_the_default_answer_is_left_alone(sigterm):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    let_sigterm_wait()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_folders_with_any_name_reach_jobs_as_they_are(tmp_path, monkeypatch):
    scripts = tmp_path / "{x} $HOME 'é'"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "{y}"))
    command = job_prefix(scripts).format() + 'printf "%s" "$IMAGEMAKE_SCRIPTS:$PYTHONPATH"'
    told = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout.split(":")
    assert told[0] == str(scripts)
    assert told[2] == str(tmp_path / "{y}")
