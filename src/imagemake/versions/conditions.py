"""Under which conditions an image was made, and made again: what they say about why the two differ, or do not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagemake.store.journal import Outcome, read_calls


def conditions(folder: Path, first: str, again: str, *, same: bool) -> list[str]:
    """Return what the journal says about an image and its reproduction, in sentences.

    Args:
        folder: Folder of the journal.
        first: Key of the image.
        again: Key of the reproduction.
        same: Whether both have the same pixels.
    """
    made = {
        call.sent["key"]: call.closed
        for call in read_calls(folder)
        if call.outcome is Outcome.MADE and call.closed and call.sent["key"] in (first, again)
    }
    if first not in made or again not in made:
        return []
    before, now = made[first], made[again]
    if (then := before.get("model_used")) != (today := now.get("model_used")):
        return [f"Made by {today}; the original by {then}."]
    n_then, n_now = _batch(before), _batch(now)
    if n_then is None or n_then == n_now:
        return []
    how = f"The original was one of {n_then} images in a batch, and this one was made alone"
    if same:
        return [f"{how}: here, this pipeline makes an image the same whatever its neighbors are."]
    return [f"{how}: here, this pipeline rounds otherwise in batches, so that an image depends on how many it is with."]


def _batch(closed: Mapping[str, Any]) -> int | None:
    """Return how many images a local model made at once."""
    usage = closed.get("usage")
    batch = usage.get("batch") if isinstance(usage, Mapping) else None
    return batch if isinstance(batch, int) else None
