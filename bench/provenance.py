"""Measures releasing images with XMP, compared with hard links to the store.

``python bench/provenance.py [IMAGES] [EDGE_PX]``: each way has its own folder, in one process. The page
cache is warm.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from imagemake.config.outputs import Output
from imagemake.config.provenance import Metadata
from imagemake.core.recipe import Recipe
from imagemake.plan.requests.request import Request
from imagemake.plan.reviews import Review
from imagemake.plan.state import Stage, State
from imagemake.release.output_file import ReleaseFile
from imagemake.release.place import Placing
from imagemake.release.released_files import Released, ReleasedBefore
from imagemake.stages.postprocess.encode import encode
from imagemake.store.store import Store

AT = "2026-05-04T09:00:04.120Z"


def states_in(folder: Path, n_images: int, edge_px: int) -> list[State]:
    """Fill a store with different images."""
    noise = np.random.default_rng(7).integers(0, 255, (edge_px // 32, edge_px // 32, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((edge_px, edge_px), Image.Resampling.BICUBIC)
    data = encode(image, Output(format="jpeg"))
    content_store, states = Store(folder / "store").finished, []
    for number in range(n_images):
        recipe = Recipe("openai", "gpt-image-2", f"mug {number}", number)
        key = recipe.key()
        state = State(Request(f"mug-{number:05}", recipe, number + 2, {}, 1), recipe, key, stage=Stage.DONE)
        state.finished = content_store.put(key, data + number.to_bytes(4), durable=False, extension="jpg")
        states.append(state)
    print(f"{n_images:,} images of {len(data) / 1e3:.0f} KB")
    return states


def release(folder: Path, states: list[State], metadata: Metadata) -> float:
    """Release all images, and return the wall time in seconds."""
    began = time.perf_counter()
    memory = ReleasedBefore(folder / "released.json")
    placing = Placing(Store(folder / "store").finished, metadata, memory)
    (folder / "images").mkdir(exist_ok=True)
    wanted = {folder / "images" / f"{state.request.name}.jpg": ReleaseFile(state) for state in states}
    assert all(isinstance(result, Released) for _, _, result in placing.place_all(wanted, lambda _: AT))
    memory.save()
    return time.perf_counter() - began


def blocks(folder: Path) -> float:
    """Return the disk space of files that are not also in the store, in MB."""
    files = (path.stat() for path in (folder / "images").iterdir())
    return sum(stat.st_blocks * 512 for stat in files if stat.st_nlink == 1) / 1e6


def main() -> None:
    """Measure both ways."""
    n_images, edge_px = (int(number) for number in (*sys.argv[1:], "10000", "800")[:2])
    for xmp in (False, True):
        folder = Path(tempfile.mkdtemp(dir="."))
        try:
            states, metadata = states_in(folder, n_images, edge_px), Metadata(xmp=xmp)
            print(f"xmp: {xmp}; first {release(folder, states, metadata):.2f} s, {blocks(folder):.0f} MB more", end="")
            print(f"; again {release(folder, states, metadata):.2f} s", end="")
            (folder / "released.json").unlink(missing_ok=True)
            print(f"; again, work/ lost {release(folder, states, metadata):.2f} s", end="")
            states[0].review = Review("approve", "fine", "", "")
            print(f"; one note {release(folder, states, metadata):.2f} s")
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
