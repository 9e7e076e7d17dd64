"""The environment of jobs: the same interpreter and package that Snakemake uses."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from threading import Thread


def use_this_python() -> None:
    """Let jobs use the interpreter that runs Snakemake, even if its environment is not activated."""
    own = str(Path(sys.executable).parent)
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if folders[0] != own:
        os.environ["PATH"] = os.pathsep.join([own, *folders])


def package_folder() -> str:
    """Return the folder that this package is imported from, quoted for the shell."""
    return shlex.quote(str(Path(__file__).resolve().parents[2]))


def let_sigterm_wait() -> None:
    """Run Snakemake's SIGTERM handler in a separate thread. Call this after Snakemake has set its handler.

    In Snakemake 9.27 the handler acquires a lock that the interrupted main thread may hold, which is a deadlock.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):
        signal.signal(signal.SIGTERM, lambda *args: Thread(target=handler, args=args, daemon=True).start())
