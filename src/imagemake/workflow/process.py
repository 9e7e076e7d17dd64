"""What jobs run in: the interpreter and the package that Snakemake itself uses."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from threading import Thread


def use_this_python() -> None:
    """Make `python` in a job the one that runs Snakemake, also where its environment was not activated."""
    own = str(Path(sys.executable).parent)
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if folders[0] != own:
        os.environ["PATH"] = os.pathsep.join([own, *folders])


def package_folder() -> str:
    """Return the folder that this package is imported from, quoted for a shell."""
    return shlex.quote(str(Path(__file__).resolve().parents[2]))


def let_sigterm_wait() -> None:
    """Let Snakemake's answer to SIGTERM run in a thread of its own; call this after it has set its handler.

    In Snakemake 9.27 the handler takes a lock that the interrupted main thread may hold, and then waits for ever.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):
        signal.signal(signal.SIGTERM, lambda *args: Thread(target=handler, args=args, daemon=True).start())
