"""The GPUs that the servers of a supervisor get, and that no job and no other server gets meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from imagemake.core.gpu_holders import Holder
from imagemake.core.gpus import VISIBLE, cards
from imagemake.core.held_gpus import hold_cards, taken_cards
from imagemake.core.problems import NotReadyError
from imagemake.core.text import counted
from imagemake.stages.generate.servers.lease import name_of
from imagemake.stages.generate.servers.place import RUN, live_process


class TooFewGpusError(Exception):
    """This machine has fewer GPUs than the servers need."""


def visible_gpus() -> list[str]:
    """Return the names of the NVIDIA GPUs that this process may use: those in CUDA_VISIBLE_DEVICES, or all."""
    if (named := os.environ.get(VISIBLE)) is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    return [str(n) for n in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]


def held_gpus(settings: Mapping[str, Any], waiting: Callable[[str], None]) -> list[str]:
    """Hold the cards that servers need, until this process ends.

    Args:
        settings: How to run the servers; with ``copies: auto``, there are as many as the free cards allow.
        waiting: Called with what is waited for, in words, every half a second. What it raises ends the wait.

    Returns:
        Names of the GPUs. Where no card is known, or all servers see all, those of `visible_gpus`, held by nobody.

    Raises:
        NotReadyError: If too few are free in time, or servers of the same run keep so many that waiting is in vain.
    """
    known, each, copies = cards(), settings["gpus"], settings["copies"]
    if not known or not each:
        return visible_gpus()
    # Numbers, as in nvidia-smi: not every server understands the ID of a card.
    numbers = [str(n) for n in range(len(known))] if os.environ.get(VISIBLE) is None else [one.visible for one in known]
    needed, longest_s, began = each * (1 if copies == "auto" else copies), settings["ready_s"], time.monotonic()
    if needed > len(known):
        return numbers

    def still_waiting() -> None:
        words = f"waits for {counted(needed, 'GPU')}; taken: {taken_cards()}"
        if time.monotonic() - began > longest_s:
            raise NotReadyError(f"after {longest_s:g} s it still {words}", "Wait until they are free.")
        waiting(words)

    holder = _holder(name_of(tuple(settings["command"])))
    held = {one.uuid for one in hold_cards(needed, all_free=copies == "auto", holder=holder, waiting=still_waiting)}
    return [number for number, card in zip(numbers, known, strict=True) if card.uuid in held]


def _holder(name: str) -> Holder:
    run = os.environ.get(RUN, "")
    is_here = live_process(run) is not None  # a run on another machine keeps no server: jobs do
    return Holder(f"the server {name}", run if is_here else "", keeps=is_here)


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
        raise TooFewGpusError(f"it needs {needed}, and {len(gpus)} can be used on this machine")
    if not each:
        return [{} for _ in range(count)]
    return [{VISIBLE: ",".join(gpus[n * each : (n + 1) * each])} for n in range(count)]
