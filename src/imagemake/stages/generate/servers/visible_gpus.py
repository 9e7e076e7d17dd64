"""The GPUs that the servers of a supervisor get."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from imagemake.core.text import counted

VISIBLE = "CUDA_VISIBLE_DEVICES"


class TooFewGpusError(Exception):
    """This machine has fewer GPUs than the servers need."""


def visible_gpus() -> list[str]:
    """Return the names of the NVIDIA GPUs that this process may use: those in CUDA_VISIBLE_DEVICES, or all."""
    if (named := os.environ.get(VISIBLE)) is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    return [str(n) for n in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]


def shares_of(gpus: list[str], each: int, copies: int | Literal["auto"]) -> list[dict[str, str]]:
    """Divide GPUs among servers.

    Args:
        gpus: Names of the GPUs.
        each: GPUs of each server; with 0, each sees all.
        copies: Number of servers; ``auto`` for as many as the GPUs allow.

    Returns:
        The environment variables of each server.

    Raises:
        TooFewGpusError: If there are too few.
    """
    count = max(1, len(gpus) // max(1, each)) if copies == "auto" else copies
    if len(gpus) < each * count:
        needed = counted(each * count, "GPU")
        raise TooFewGpusError(f"cannot be started: it needs {needed}, and {len(gpus)} can be used on this machine")
    if not each:
        return [{} for _ in range(count)]
    return [{VISIBLE: ",".join(gpus[n * each : (n + 1) * each])} for n in range(count)]
