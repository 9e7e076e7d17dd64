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


def python_path() -> str:
    """Return the PYTHONPATH of jobs, quoted for the shell: this package, then the user's own entries."""
    package = str(Path(__file__).resolve().parents[2])
    entries = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return shlex.quote(os.pathsep.join(dict.fromkeys(entries)))


def let_sigterm_wait() -> None:
    """Run Snakemake's SIGTERM handler in a separate thread. Call this after Snakemake has set its handler.

    In Snakemake 9.27 the handler acquires a lock that the interrupted main thread may hold, which is a deadlock.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):
        signal.signal(signal.SIGTERM, lambda *args: Thread(target=handler, args=args, daemon=True).start())
