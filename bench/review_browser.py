"""Measures `imagemake review` in Chromium: seconds to the first view, the first image, and from a key to the next one.

    python bench/review_browser.py --folder PROJECT

The project is one whose images await review. Its decision log gets an approval for each measured image.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

PORT = 8991
DECISIONS = 12


def main() -> None:
    """Print what each step took, and the memory of the server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="the project")
    folder = parser.parse_args().folder
    command = [sys.executable, "-c", "from imagemake.cli.main import main; main()", "review", "--no-browser"]
    start = time.monotonic()
    server = subprocess.Popen([*command, "--port", str(PORT)], cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        while "http" not in (line := server.stdout.readline()):
            assert line, "the server ended"
        report("the server stands", start, server.pid)
        with sync_playwright() as started:
            chromium = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = chromium.new_page(viewport={"width": 1280, "height": 800})
            for what in ("first view", "the same view again"):
                start = time.monotonic()
                page.goto(f"http://127.0.0.1:{PORT}/")
                page.wait_for_selector("img")
                report(what, start, server.pid)
            start = time.monotonic()
            page.locator("a:has(img)").first.click()
            page.wait_for_load_state("load")
            report("first image", start, server.pid)
            took_s = []
            for _ in range(DECISIONS):
                before, start = page.url, time.monotonic()
                page.keyboard.press("a")
                page.wait_for_url(lambda url, before=before: url != before)
                page.wait_for_load_state("load")
                took_s.append(time.monotonic() - start)
                page.wait_for_timeout(400)
            print(f"from a decision to the next image: {statistics.median(took_s):.2f} s, at most {max(took_s):.2f} s")
            report("all", start, server.pid)
            chromium.close()
    finally:
        server.terminate()
        server.wait()


def report(what: str, start: float, pid: int) -> None:
    """Print how long a step took, and the memory of the server."""
    memory_mb = psutil.Process(pid).memory_info().rss / 1e6
    print(f"{what}: {time.monotonic() - start:.2f} s; the server has {memory_mb:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
