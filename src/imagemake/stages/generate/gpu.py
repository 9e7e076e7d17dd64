"""The GPU of a job that runs a model: a card of its own, which is watched while the job generates."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imagemake.config.model import ModelSettings
from imagemake.core.gpu_holders import Holder
from imagemake.core.gpus import Card
from imagemake.core.held_gpus import hold_cards, lost_memory, note_memory
from imagemake.core.problems import NotReadyError
from imagemake.stages.generate.calls import StoppedError, ToldToStopError
from imagemake.stages.generate.gpu_watch import GpuWatch
from imagemake.stages.generate.servers.place import RUN
from imagemake.store.progress import JobProgress, no_progress

Alert = Callable[[str], None]


@contextmanager
def gpu_of(
    settings: ModelSettings, work: Path, progress: JobProgress | None = None, alert: Alert = lambda text: None
) -> Iterator[GpuWatch | None]:
    """Take a card for as long as this process lives, watch it while the block runs, and say at its end what it did.

    Args:
        settings: The model.
        work: The folder ``work/``.
        progress: Tells that the job waits for a card, and whether the run is to stop.
        alert: Called with what is wrong with the card, in words.

    Raises:
        StoppedError: As for `hold_gpu`.
    """
    told = progress or no_progress()
    card = hold_gpu(settings.local.device, told, alert) if settings.local_device == "gpu" else None
    if card is None:
        yield None
        return
    watch = GpuWatch(card, work)
    try:
        with watch.running():
            yield watch
    finally:
        summary = watch.summary()
        print(summary.in_words(card.name, told.now.done), file=sys.stderr, flush=True)
        if throttled := summary.throttled:
            _warn(f"{card.name} ({card.uuid}) was throttled: {', '.join(throttled)}", alert)


def hold_gpu(device: str | None, progress: JobProgress, alert: Alert) -> Card | None:
    """Take a card that no other job has; see `imagemake.core.held_gpus`.

    Args:
        device: The device that the user named, such as ``cuda:1``; None for any.
        progress: As for `gpu_of`.
        alert: As for `gpu_of`.

    Returns:
        The card; None without NVIDIA cards, and for other devices.

    Raises:
        StoppedError: If servers of the same run keep all cards.
        ToldToStopError: If the run was told to stop before a card was free.
    """
    kind, _, index = (device or "cuda").partition(":")
    if kind != "cuda":
        return None

    def waiting() -> None:
        if progress.run_is_stopping:
            raise ToldToStopError("stopped while all GPUs were taken; nothing was generated")
        progress.update(waits_for="a free GPU", waits_until=0.0)

    holder = Holder(run=os.environ.get(RUN, ""))
    try:
        held = hold_cards(index=int(index) if index.isdigit() else None, holder=holder, waiting=waiting)
    except NotReadyError as error:
        raise StoppedError(str(error), error.remedy) from None
    progress.update(waits_for="")
    for lost in lost_memory(held):
        _warn(str(lost), alert)
    note_memory(held)
    return held[0] if held else None


def _warn(text: str, alert: Alert) -> None:
    print(f"Warning: {text}.", file=sys.stderr, flush=True)
    alert(text)
