"""Measures the preview provider per image and size: drawing and encoding on one core, with cached meshes.

    python bench/preview.py [--images 40]

Prints the median and the fastest time in milliseconds, and the mean size of the PNG. A first pass warms up. The images
are from the example catalog, one of each product.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from pathlib import Path

from imagemake.core.recipe import Recipe
from imagemake.plan.requests.catalog import read_catalog
from imagemake.plugins.providers import Connection
from imagemake.plugins.providers.preview import PreviewProvider

CATALOG = Path(__file__).parent.parent / "config" / "catalog.csv"
PROMPT = "Product photo of {product} on a white background, {angle}, {color}, high detail."
SIZES = ("64x64", "256x256", "512x512", "1024x1024", "1536x1024", "2048x2048")


def recipes(size: str, images: int) -> list[Recipe]:
    """Return recipes that are evenly spread over the example catalog."""
    rows = read_catalog(CATALOG)
    chosen = [rows[index * len(rows) // images] for index in range(images)]
    return [
        Recipe("preview", "preview-1", PROMPT.format(**row.values), seed, {"size": size})
        for seed, row in enumerate(chosen)
    ]


async def milliseconds(wanted: list[Recipe]) -> tuple[list[float], list[int]]:
    """Draw each image, and return times and sizes."""
    provider = PreviewProvider(Connection(None, 60))
    times_ms, sizes = [], []
    for recipe in wanted:
        start = time.perf_counter()
        answer = await provider.generate(recipe)
        times_ms.append((time.perf_counter() - start) * 1000)
        sizes.append(len(answer.image))
    return times_ms, sizes


def main() -> None:
    """Measure every size, and print a table."""
    import cv2

    cv2.setNumThreads(1)
    parser = argparse.ArgumentParser(description="Time the preview provider.")
    parser.add_argument("--images", type=int, default=40, help="images per size")
    images = parser.parse_args().images
    print(f"{'size':>10} {'median ms':>10} {'fastest ms':>11} {'PNG kB':>8}")
    for size in SIZES:
        wanted = recipes(size, images)
        asyncio.run(milliseconds(wanted))
        times_ms, sizes = asyncio.run(milliseconds(wanted))
        median_ms, mean_kb = statistics.median(times_ms), statistics.mean(sizes) / 1000
        print(f"{size:>10} {median_ms:>10.1f} {min(times_ms):>11.1f} {mean_kb:>8.1f}")


if __name__ == "__main__":
    main()
