"""The GPU of a job that computes on it."""

from __future__ import annotations

import sys

from imagemake.core.gpus import Card
from imagemake.core.held_gpus import hold_cards, lost_memory, note_memory
from imagemake.stages.generate.calls import ToldToStopError
from imagemake.store.progress import JobProgress, no_progress


def hold_gpu(device: str | None = None, progress: JobProgress | None = None) -> Card | None:
    """Take a card that no other job has, until the job ends; see `imagemake.core.held_gpus`.

    Args:
        device: The device that the user named, such as ``cuda:1``; None for any.
        progress: Tells that the job waits, and whether the run is to stop.

    Returns:
        The card; None without NVIDIA cards, and for other devices.

    Raises:
        ToldToStopError: If the run was told to stop meanwhile.
    """
    kind, _, index = (device or "cuda").partition(":")
    if kind != "cuda":
        return None
    told = progress or no_progress()

    def waiting() -> None:
        if told.run_is_stopping:
            raise ToldToStopError("stopped while all GPUs were taken; nothing was generated")
        told.update(waits_for="a free GPU", waits_until=0.0)

    held = hold_cards(index=int(index) if index.isdigit() else None, waiting=waiting)
    told.update(waits_for="")
    for lost in lost_memory(held):
        print(f"Warning: {lost}.", file=sys.stderr, flush=True)
    note_memory(held)
    return held[0] if held else None
