"""The environment that jobs share with the process that starts them."""

import os
import signal
import threading
import time

import pytest

from imagemake.workflow.process import let_sigterm_wait


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
