"""A script of a job that runs in a fork of Snakemake's process, as seen from the process that the job's command starts.

It imports little, since it only waits; see `imagemake.workflow.fork_server`. With ``socket`` and ``signal`` in place of
what these are made of in C, it would take 20 ms of CPU instead of 12.
"""

import _signal as signal  # type: ignore[import-not-found]
import _socket as socket
import marshal
import os
import sys

ADDRESS = "IMAGEMAKE_FORKS"  # environment variable with the path of the server's socket
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_in_fork(script: str, arguments: list[str]) -> None:
    """Run a script in a fork and exit as it does. If no process offers forks, return.

    Args:
        script: Path of the script.
        arguments: Its arguments.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        return
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    request = marshal.dumps((script, arguments, os.getcwd(), dict(os.environ)))  # noqa: PTH109  pathlib is slow to import
    files = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until they can be passed on
    try:
        server.connect(address)
        server.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
    except OSError:  # Snakemake is gone, or one of the three is closed, or the environment is very large
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        server.close()
        return
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` sets it
            signal.signal(number, lambda number, _: server.send(bytes([number])))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    told = server.recv(16)
    server.close()
    if not told:
        sys.exit("The process that ran this job ended.")
    code = os.waitstatus_to_exitcode(int(told))
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)
