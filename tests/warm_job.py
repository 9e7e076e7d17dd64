"""A job of a run that `warm_python.py` started: the process that has the imports runs it, and this one waits.

It runs without site-packages, so that its own start takes a hundredth of a second.
"""

import marshal
import os
import signal
import socket
import sys

SIGNALS = (signal.SIGINT, signal.SIGTERM)

signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until there is somebody to pass them to
address, script, *arguments = sys.argv[1:]
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect(address)
    request = marshal.dumps((script, arguments, os.getcwd(), dict(os.environ)))  # noqa: PTH109 - pathlib is slow to import
    socket.send_fds(server, [request], [0, 1, 2])
    child = int(server.recv(32))
    for number in SIGNALS:
        signal.signal(number, lambda number, _: os.kill(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    code = os.waitstatus_to_exitcode(int(server.recv(32)))
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
