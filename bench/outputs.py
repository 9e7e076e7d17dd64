"""Measures several files per image compared with one, a sheet, and sidecars.

``python bench/outputs.py [IMAGES] [EDGE_PX] [SIDECARS]``: reports the CPU time of this process, so that other programs
matter little. "Apart" postprocesses each output by itself, as three campaigns would.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from imagemake.config.outputs import Output, Postprocess, Sheet
from imagemake.plugins.steps import step_class
from imagemake.release.manifest.chunks.chunk import cut
from imagemake.release.manifest.chunks.pieces import Pieces
from imagemake.release.manifest.row import ManifestRow, OutputFile
from imagemake.release.manifest.sidecars import write_sidecars
from imagemake.release.manifest.tables import write_manifest
from imagemake.release.sheets.draw import Member, draw_sheet, fitted
from imagemake.stages.postprocess.branches import Branch, postprocess_all
from imagemake.stages.postprocess.encode import encode, opened, postprocess

COMMON: list[dict[str, Any]] = [{"crop": {"ratio": "1:1"}}, {"color": {"auto_levels_clip_percent": 0.5}}]
THREE = {
    "steps": COMMON,
    "output": {"steps": [{"resize": {"width_px": 800}}]},
    "more_outputs": {
        "web": {"steps": [{"resize": {"width_px": 400}}], "format": "webp", "quality": 80},
        "print": {"format": "png"},
    },
}


def branches_of(settings: Mapping[str, Any]) -> dict[str, Branch]:
    """Return the branches of a campaign's outputs, as a job makes them."""
    postprocess, made = Postprocess.model_validate(settings), {}
    found = {}
    for label, output in postprocess.outputs().items():
        for one in postprocess.steps_of(label):
            if one.identity not in made:
                kind = step_class(one.name)
                made[one.identity] = kind(kind.Settings.model_validate(one.settings))
        found[label] = Branch([made[one.identity] for one in postprocess.steps_of(label)], output)
    return found


def cpu_ms(call: Callable[[], object], times: int) -> float:
    """Return the median CPU time of several calls, in ms."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        call()
        taken.append(1e3 * (time.process_time() - began))
    return median(taken)


def a_photograph(edge_px: int) -> bytes:
    """Return a PNG with edges, gradients, and noise, similar to those of providers."""
    random = np.random.default_rng(7)
    coarse = random.integers(0, 255, (edge_px // 32, edge_px // 32, 3), dtype=np.uint8)
    image = np.asarray(Image.fromarray(coarse).resize((edge_px, edge_px), Image.Resampling.BICUBIC), dtype=np.int16)
    noisy = np.clip(image + random.integers(-6, 7, image.shape), 0, 255).astype(np.uint8)
    return encode(Image.fromarray(noisy), Output(format="png"))


def bench_outputs(n_images: int, edge_px: int) -> None:
    """Compare one output with three."""
    data = a_photograph(edge_px)
    branches = branches_of(THREE)
    # The median of single outputs in turn: what each would cost in a campaign of its own.
    alone = {
        label: cpu_ms(lambda one=one: postprocess(data, one.steps, one.output), n_images)
        for label, one in branches.items()
    }
    common = branches["print"].steps
    shared = cpu_ms(lambda: functools.reduce(lambda image, step: step.apply(image), common, opened(data)), n_images)
    together = cpu_ms(lambda: postprocess_all(data, branches), n_images)
    print(f"{edge_px} px, ms of CPU per image, median of {n_images}")
    print(f"  decoding and the common steps: {shared:.0f}")
    print("  alone: " + ", ".join(f"{label} {ms:.0f}" for label, ms in alone.items()))
    print(
        f"  three apart {sum(alone.values()):.0f}, three together {together:.0f}: "
        f"{together / sum(alone.values()):.2f} of that, {together / alone['main']:.2f} times the main one alone"
    )


def bench_sheet(n_images: int) -> None:
    """Measure a sheet of a hundred cells."""
    sheet = Sheet(cell_width_px=200, cell_height_px=200, gap_px=8, background="#ffffff", caption="{name}")
    image = Image.fromarray(np.random.default_rng(3).integers(0, 255, (25, 25, 3), dtype=np.uint8))
    data = encode(image.resize((800, 800), Image.Resampling.BICUBIC), Output(format="jpeg"))

    def draw() -> None:
        members = (Member(fitted(data, sheet), f"image {n}") for n in range(100))
        encode(draw_sheet(members, 100, sheet)[0], Output(format="png"))

    print(f"sheet of 100 images of 800 px: {cpu_ms(draw, max(3, n_images // 5)):.0f} ms of CPU")


def entries_of(n: int) -> list[ManifestRow]:
    """Return a release's rows, with three files each."""
    digest = "0123456789abcdef" * 4
    file = OutputFile(
        file="images/a.webp", width_px=400, height_px=400, bytes=20_000, digest=digest, finished_digest=digest
    )
    first = ManifestRow(
        name="", verdict="accepted", prompt="Product photo of a mug on a white background", provider="openai",
        model="gpt-image-2", seed=7, key=digest, catalog_row=2, file="", parameters={"size": "1024x1024"},
        variables={"sku": "MUG-1", "color": "red"}, width_px=800, height_px=800, bytes=90_000, digest=digest,
        finished_digest=digest, raw_digest=digest, measures={f"tone.measure_{i}": 0.1 * i for i in range(20)}, tries=1,
    )  # fmt: skip
    return [
        replace(
            first,
            name=f"mug-{i:05}",
            file=f"images/mug-{i:05}.jpg",
            outputs={"web": replace(file, file=f"images/mug-{i:05}-web.webp")},
        )
        for i in range(n)
    ]


def bench_sidecars(n: int) -> None:
    """Measure sidecars of two files per request, and the manifest of the same rows."""
    folder = Path(tempfile.mkdtemp(dir="."))
    entries = entries_of(n // 2)
    try:
        for what in ("first", "again, nothing changed"):
            began, wall = time.process_time(), time.perf_counter()
            write_sidecars(cut(entries), folder, Pieces(None), with_prompt=False)
            cpu_s, wall_s = time.process_time() - began, time.perf_counter() - wall
            print(f"{n:,} sidecars, {what}: {cpu_s:.2f} s of CPU, {wall_s:.2f} s")
        size = sum(entry.stat().st_size for entry in os.scandir(folder / "images"))
        began = time.process_time()
        write_manifest(entries, folder / "m.csv", folder / "m.parquet", outputs=["web"])
        print(f"  {size / n / 1e3:.1f} KB each; the manifest of the same: {time.process_time() - began:.2f} s of CPU")
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Measure all of it."""
    n_images, edge_px, n_sidecars = (
        int(number) for number in (*sys.argv[1:], *("15", "1024", "10000")[len(sys.argv) - 1 :])
    )
    bench_outputs(n_images, edge_px)
    bench_sheet(n_images)
    bench_sidecars(n_sidecars)


if __name__ == "__main__":
    main()
