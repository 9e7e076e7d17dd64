"""Warnings that several processes of a run would repeat, such as the planner and the job that writes the release."""

from __future__ import annotations

import os
import sys
from zlib import crc32

_TOLD = "IMAGEMAKE_TOLD"  # an environment variable, which jobs on this machine inherit


def tell_once(warning: str) -> None:
    """Print a warning to standard error, unless this process or one that started it has printed it."""
    told = os.environ.get(_TOLD, "").split()
    mark = f"{crc32(warning.encode(errors='replace')):08x}"
    if mark not in told:
        os.environ[_TOLD] = " ".join([*told, mark])
        print(f"Warning: {warning}", file=sys.stderr, flush=True)
