"""Measures a large contact sheet: writing it, one row edited, and looking through it in Chromium from the disk.

    python bench/contact_sheet.py --requests 100000

Needs Chromium and Playwright. The requests are made up, and none has an image file, only 2,000 thumbnails.
"""

from __future__ import annotations

import argparse
import io
import re
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from entries import an_entry, without_image  # noqa: E402  found through the line above
from pages import write_page  # noqa: E402

from imagemake.release.manifest.row import ManifestRow  # noqa: E402
from imagemake.release.metrics.metrics import metrics_of  # noqa: E402

COLORS = ("red", "teal", "gold", "black")


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    n = parser.parse_args().requests
    entries = [entry(number) for number in range(n)]
    thumbnails = {one.name: thumbnail(number) for number, one in enumerate(entries[: 2 * 2_000])}
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "index.html"
        print(f"{n:,} requests, {_peak_mb():.0f} MB before")
        write("written", page, entries, thumbnails)
        entries[n // 2] = replace(entries[n // 2], prompt="Product photo of a teapot", key="0" * 64)
        write("one edited", page, entries, thumbnails)
        for kind in ("list", "cards"):
            sizes = [path.stat().st_size for path in (Path(folder) / "index").glob(f"{kind}-*")]
            print(f"{kind}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB, the largest {max(sizes) / 1e6:.2f} MB")
        print(f"index.html: {page.stat().st_size / 1e3:.0f} KB")
        browse(page.as_uri(), n)


def entry(number: int) -> ManifestRow:
    """Return one request: 2 in 100 await review, 1 in 100 was refused."""
    color = COLORS[number % 4]
    name = f"S{number:07}_{color}"
    prompt = f"Product photo of mug number {number}, {color}, on a white background, soft light from the left, 50 mm"
    row = {"prompt": prompt, "catalog_row": number // 4 + 2, "variables": {"color": color, "sku": name[:8]}}
    if number % 100 == 9:
        return without_image(name, "refused", reasons=("refused: safety system",), **row)
    row |= {"digest": "e" * 64, "finished_digest": "f" * 64, "request_id": f"req_{number:012}"}
    if number % 50 == 7:
        return an_entry(name, verdict="review", file=None, reasons=("tone.contrast: 3.1, at least 8 (review)",), **row)
    return an_entry(name, **row)


def thumbnail(number: int) -> bytes:
    """Return a JPEG of one color."""
    data = io.BytesIO()
    Image.new("RGB", (320, 320), (number * 7 % 256, number * 13 % 256, number * 29 % 256)).save(data, "JPEG")
    return data.getvalue()


def write(what: str, page: Path, entries: list[ManifestRow], thumbnails: dict[str, bytes]) -> None:
    """Write the page, and print the seconds of CPU, and what changed."""
    metrics, before, start = metrics_of(entries), set(page.parent.rglob("*.*")), time.process_time()
    write_page(page, entries, metrics, title="Autumn", thumbnails=thumbnails, max_thumbnails=2_000, variables=["color"])
    took_s, new = time.process_time() - start, set(page.parent.rglob("*.*")) - before
    written = sum(path.stat().st_size for path in new) / 1e6
    print(f"{what}: {took_s:.2f} s of CPU, {len(new)} new files of {written:.1f} MB, peak {_peak_mb():.0f} MB")


def browse(address: str, n: int) -> None:
    """Look through the page, and print the seconds on the clock of each thing that a reader does."""
    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        card, number = page.locator(".card").first, page.locator("#count")

        def counted(pattern: str) -> None:
            number.filter(has_text=re.compile(pattern)).wait_for(timeout=120_000)

        start = time.monotonic()
        page.goto(address, wait_until="commit")
        card.wait_for(timeout=120_000)
        print(f"first view: {time.monotonic() - start:.2f} s")
        counted(r"requests$")
        heap_mb = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
        print(f"all lists read: {time.monotonic() - start:.2f} s, {heap_mb:.0f} MB")
        steps: dict[str, Callable[[], Any]] = {
            "one request found by its prompt": lambda: (
                page.fill("#query", f"number {n // 2 + 4},"),
                counted(r"^1 of"),
            ),
            "its details opened": lambda: (
                card.locator(".open").click(),
                page.locator("dialog .code").first.wait_for(),
            ),
            "closed, those that await review": lambda: (
                page.keyboard.press("Escape"),
                page.fill("#query", ""),
                page.click('.chip[data-verdict="review"]'),
                counted(f"^{n // 50:,} of"),
            ),
            "all, problems first": lambda: (
                page.select_option("#order", "verdict"),
                page.click('.chip[data-verdict=""]'),
                counted(r"requests$"),
            ),
            "side by side": lambda: (page.select_option("#compare", "color"), page.locator(".group").first.wait_for()),
        }
        for name, do in steps.items():
            start = time.monotonic()
            do()
            print(f"{name}: {time.monotonic() - start:.2f} s")
        chromium.close()


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
