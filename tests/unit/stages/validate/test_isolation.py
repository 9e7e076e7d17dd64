"""A process that dies on an item costs that item a step, and nothing else."""

import errno
import os
import signal
import sys
from types import SimpleNamespace

import pytest

from imagemake.core.errors import ExitCode
from imagemake.stages.validate import isolation
from imagemake.stages.validate.isolation import MOST_DEATHS, do_all


def dying(places, number=signal.SIGSEGV, seen=None):
    """Return work of three steps an item, in which the process is killed at some places."""

    def work(item, fatal, at):
        done = []
        for step in range(3):
            at(step)
            if seen:
                seen(item, step)
            if step in fatal:
                done.append(fatal[step])
                continue
            if (item, step) in places:
                os.kill(os.getpid(), number)
            done.append("done")
        return " ".join(done).encode()

    return lambda: work


WELL = b"done done done"


def test_what_does_not_die_is_done_once_and_in_order(tmp_path):
    def note(item, step):
        with (tmp_path / "log").open("a") as file:
            file.write(f"{item}{step} ")

    assert do_all(3, dying((), seen=note)) == [WELL] * 3
    assert (tmp_path / "log").read_text() == "00 01 02 10 11 12 20 21 22 "


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_step_that_ends_the_process_twice_is_left_out_and_all_others_are_done(number):
    name = number.name.encode()
    assert do_all(4, dying({(0, 0), (2, 1), (2, 2)}, number)) == [
        name + b" done done",
        WELL,
        b"done " + name + b" " + name,
        WELL,
    ]


def test_a_process_that_was_killed_once_goes_on_where_it_was(tmp_path):
    once = tmp_path / "killed"

    def kill_once(item, step):
        with (tmp_path / "log").open("a") as file:
            file.write(f"{item}{step} ")
        if (item, step) == (1, 1) and not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    assert do_all(2, dying((), seen=kill_once)) == [WELL] * 2
    assert (tmp_path / "log").read_text() == "00 01 02 10 11 10 11 12 "


def test_what_kills_everywhere_ends_the_job_soon_and_says_so():
    with pytest.raises(SystemExit, match=rf"crashed {MOST_DEATHS} times, the last time with SIGSEGV"):
        do_all(1000, dying({(item, 0) for item in range(1000)}))


def test_what_kills_before_the_first_item_ends_the_job():
    with pytest.raises(SystemExit, match="crashed with SIGSEGV before its first item"):
        do_all(2, lambda: os.kill(os.getpid(), signal.SIGSEGV))


def test_an_error_is_told_with_its_traceback_and_its_status(capfd):
    def failing(item, fatal, at):
        raise RuntimeError("on purpose")

    with pytest.raises(SystemExit) as stopped:
        do_all(1, lambda: failing)
    assert stopped.value.code == 1
    assert "RuntimeError: on purpose" in capfd.readouterr().err


def test_a_mistake_of_the_user_is_told_in_its_own_words(capfd):
    with pytest.raises(SystemExit) as stopped:
        do_all(1, lambda: sys.exit("Install it."))
    assert (stopped.value.code, capfd.readouterr().err) == (1, "Install it.\n")


def test_a_full_disk_is_told_in_a_line_and_no_further_process_starts(capfd):
    def full(item, fatal, at):
        raise OSError(errno.ENOSPC, "No space left on device", "work/thumbnails")

    with pytest.raises(SystemExit) as stopped:
        do_all(2, lambda: full)
    assert stopped.value.code == ExitCode.NOT_READY
    assert capfd.readouterr().err.count("work/thumbnails: the disk is full.") == 1


def test_nothing_to_do_starts_no_process(monkeypatch):
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("it forked"))
    assert do_all(0, dying(())) == []


def test_freed_memory_is_kept_where_the_c_library_can_and_nothing_happens_elsewhere(monkeypatch):
    asked = []
    monkeypatch.setattr(
        isolation.ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=lambda *pair: asked.append(pair))
    )
    isolation.keep_memory()
    assert asked == [(-1, 256 << 20), (-3, 32 << 20)]
    monkeypatch.setattr(isolation.ctypes, "CDLL", lambda name: SimpleNamespace())
    isolation.keep_memory()
