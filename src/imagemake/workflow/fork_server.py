"""Runs scripts of jobs in forks of Snakemake's process, which has imported most of what they need.

Starting Python and importing the same again takes a job 0.2 to 0.4 s of CPU, more than the work on some images. The
process that forks is a fork itself, from before there is a plan in memory, and has one thread. It ends with
Snakemake's once its jobs have ended. Without it, `imagemake.workflow.forked_script` starts a script as usual.
"""

from __future__ import annotations

import atexit
import ctypes
import errno
import fcntl
import gc
import marshal
import math
import os
import runpy
import select
import selectors
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import Any, NoReturn, TextIO, cast

from imagemake.workflow.forked_script import ADDRESS, SIGNALS

LARGEST_REQUEST_BYTES = 1 << 18
MOST_WAIT_S = 5.0
_PREFIX = "imagemake-forks-"
SAME_S = 1.0  # between two processes that get the same signal
PR_SET_PDEATHSIG = 1  # from linux/prctl.h
_held: list[socket.socket] = []  # the server sees by its end that this process has ended


def offer_forks() -> None:
    """Start the server, and let jobs know it by their environment. Call this in the main thread.

    Without Linux's means for it, nothing happens.
    """
    if _held or threading.current_thread() is not threading.main_thread() or not hasattr(os, "pidfd_open"):
        return
    _sweep()
    folder = Path(mkdtemp(prefix=_PREFIX))  # only this user may enter it
    try:
        lock = _locked(folder)
    except OSError:  # another run, which sweeps, was faster, or the file system has no locks
        shutil.rmtree(folder, ignore_errors=True)
        return
    ours, theirs = socket.socketpair()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with listener, theirs:
        try:
            os.close(os.pidfd_open(os.getpid()))  # not in every sandbox, as is the next one
            os.listdir("/proc/self/fd")  # noqa: PTH208
            listener.bind(str(folder / "socket"))
        except OSError:  # or the path is too long
            os.close(lock)
            shutil.rmtree(folder, ignore_errors=True)
            return
        listener.listen(64)
        server = os.fork()
        if server == 0:
            _become_server(folder, theirs, listener, lock)
        os.close(lock)
    _held.append(ours)
    atexit.register(_wait_for, server)
    os.environ[ADDRESS] = str(folder / "socket")


def _wait_for(server: int) -> None:
    """Let the server end, and count its time as this process's; not if jobs outlive Snakemake, which was stopped."""
    _held.pop().close()
    end = os.pidfd_open(server)
    if select.select([end], [], [], MOST_WAIT_S)[0]:
        os.waitpid(server, 0)


def _locked(folder: Path) -> int:
    """Lock a folder and return its open file; the lock ends with the last process that has it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(handle).st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "another user's", str(folder))
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _sweep() -> None:
    """Remove the folders of this user whose processes were killed before they could."""
    for folder in Path(gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            lock = _locked(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _become_server(folder: Path, held: socket.socket, listener: socket.socket, lock: int) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        _close_all_but(held.fileno(), listener.fileno(), lock)
        atexit._clear()
        gc.freeze()
        serve(held, listener, _run_script)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os._exit(0)


def _close_all_but(*kept: int) -> None:
    """Close files of Snakemake's process: it must be able to release its locks, whatever its forks do.

    Containers allow a billion files, so not each number is tried.
    """
    for number in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208  numbers and not paths
        if number > 2 and number not in kept:
            with suppress(OSError):  # that of the list itself
                os.close(number)


def serve(held: socket.socket, listener: socket.socket, run: Callable[[str], object]) -> None:
    """Fork for each request, until nobody can make one.

    Args:
        held: At its end when the process that offers the forks has ended.
        listener: Where requests come from: a script or program with its arguments, its folder, and its environment, and
            with the files 0, 1, and 2. Then come the numbers of signals for it. Its status is the answer. If the client
            is gone, it is killed.
        run: Runs a script or program in the fork.
    """
    told = dict[int, float]()  # when this process was, which ends after its jobs
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: told.update({number: time.monotonic()}))
    events, jobs = selectors.DefaultSelector(), dict[socket.socket, int]()
    for file in (held, listener):
        events.register(file, selectors.EVENT_READ)
    while jobs or not (told or held not in events.get_map()):
        for key, _ in events.select(timeout=1.0):
            if key.fileobj is held:
                events.unregister(held)
            elif key.fileobj is listener:
                client, _ = listener.accept()
                jobs[client] = child = _fork(client, run)
                events.register(client, selectors.EVENT_READ)
                events.register(os.pidfd_open(child), selectors.EVENT_READ, (child, client))
            elif key.data is None:
                if key.fileobj in jobs:  # and has not ended just now
                    _pass_on(key.fileobj, jobs, events, told)
            else:
                child, client = key.data
                events.unregister(key.fd)
                os.close(key.fd)
                status = os.waitpid(child, 0)[1]
                if client in events.get_map():
                    events.unregister(client)
                del jobs[client]
                with client, suppress(BrokenPipeError):
                    client.send(str(status).encode())


def _pass_on(
    client: Any, jobs: Mapping[socket.socket, int], events: selectors.BaseSelector, told: Mapping[int, float]
) -> None:
    """Pass signals on, but for those that the whole group of processes got, and so the job too."""
    try:
        numbers = client.recv(16)
    except ConnectionError:
        numbers = b""
    if not numbers:
        events.unregister(client)
    for number in numbers or bytes([signal.SIGKILL]):
        if time.monotonic() - told.get(number, -math.inf) > SAME_S:
            os.kill(jobs[client], number)


def _fork(client: socket.socket, run: Callable[[str], object]) -> int:
    request, files, *_ = socket.recv_fds(client, LARGEST_REQUEST_BYTES, 3)
    server = os.getpid()
    child = os.fork()
    if child == 0:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != server:
            os._exit(1)
        _become(files, run, request)
    for file in files:
        os.close(file)
    return child


def _become(files: Sequence[int], run: Callable[[str], object], request: bytes) -> NoReturn:
    code = 1
    try:
        # Only this user may enter the folder of the socket.
        program, arguments, folder, environment = marshal.loads(request)  # noqa: S302
        for number, file in enumerate(files):
            os.dup2(file, number)
        _close_all_but()
        # Not those of Snakemake, which may stand in for others, and would close these files with their last reference.
        theirs = sys.stdin, sys.stdout, sys.stderr  # noqa: F841
        sys.stdin, sys.stdout, sys.stderr = _stream(0, "r"), _stream(1, "w"), _stream(2, "w", "backslashreplace")
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        os.environ.pop(ADDRESS, None)
        sys.argv = [program, *arguments]
        code = _code_of(run, program)
        # What an interpreter does when it ends, but for taking all modules apart: that takes longer than most jobs.
        threading._shutdown()  # type: ignore[attr-defined] # nothing public waits for threads of pools
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BaseException:  # its output cannot be written, for example
        code = code or 1
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _stream(number: int, mode: str, errors: str | None = None) -> TextIO:
    encoding = sys.__stdout__.encoding if sys.__stdout__ else None
    return cast("TextIO", open(number, mode, 1 if number == 2 else -1, encoding, errors, closefd=False))


def _run_script(path: str) -> None:
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [str(Path(path).parent), *(entry for entry in entries if entry not in sys.path)]
    runpy.run_path(path, run_name="__main__")


def _code_of(run: Callable[[str], object], program: str) -> int:
    """Return the exit code after a program, as an interpreter does, which prints what it raised."""
    try:
        run(program)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0
