"""Measures `imagemake review` with many images in the queue: startup, milliseconds per page and decision, and memory.

python bench/review.py --images 10000
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from review_project import DOUBTFUL, ReviewProject  # noqa: E402  found through the line above

PORT = 8977
HOME = f"http://127.0.0.1:{PORT}"
_MEMORY = ("VmRSS", "VmHWM")
COLORS = ("red", "teal", "gold", "black")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = {(f"product {n:06}", COLORS[n % 4]): DOUBTFUL for n in range(options.images)}
        keys = list(ReviewProject(Path(folder) / "project", made).keys.values())
        start = time.perf_counter()
        command = [sys.executable, "-c", "from imagemake.cli.main import main; main()", "review", "--no-browser"]
        server = subprocess.Popen(
            [*command, "--port", str(PORT)], cwd=Path(folder) / "project", stdout=subprocess.DEVNULL
        )
        try:
            _measure(keys, start, options.repeat, server.pid)
        finally:
            server.terminate()
            server.wait()


def _measure(keys: list[str], start: float, repeat: int, pid: int) -> None:
    import httpx2

    client = httpx2.Client(base_url=HOME, headers={"accept": "text/html"})
    while True:
        try:
            page = client.get("/").text
            break
        except httpx2.TransportError:
            time.sleep(0.02)
    print(f"{len(keys):,} images\n| | ms, median | ms, most |\n|---|---|---|")
    print(f"| start to first page | {1000 * (time.perf_counter() - start):.0f} | |")
    begun = _memory(pid)
    token = re.search(r'data-form-token="(\w+)"', page)
    assert token
    form = {"form_token": token[1], "tab": "review"}
    middle = len(keys) // 2
    asks: dict[str, Callable[[int], Any]] = {
        "list, a page": lambda n: client.get(f"/?page={1 + n}"),
        "list, searched": lambda n: client.get(f"/?q=product+{n}"),
        "list, by value": lambda n: client.get(f"/?value=color%3D{COLORS[n % 4]}"),
        "an image's page": lambda n: client.get(f"/image/{keys[middle + n]}?tab=review"),
        "a thumbnail, made": lambda n: client.get(_sources(page, "thumbnails")[n]),
        "a thumbnail, kept": lambda n: client.get(_sources(page, "thumbnails")[n]),
        "a decision": lambda n: client.post(
            "/decide", data={**form, "item": keys[n], "decision": "approve"}, headers={"accept": "application/json"}
        ),
        "an undo": lambda n: client.post("/undo", data=form, headers={"accept": "application/json"}),
    }
    for name, ask in asks.items():
        took = []
        for n in range(repeat):
            before = time.perf_counter()
            answer = ask(n)
            took.append(1000 * (time.perf_counter() - before))
            assert answer.status_code == 200, answer.text
        print(f"| {name} | {statistics.median(took):.1f} | {max(took):.1f} |")
    print(f"\nMemory of the server: after the first page {begun}; at the end {_memory(pid)}")


def _memory(pid: int) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kib = {name: int(words.split()[0]) for name, words in (line.split(":", 1) for line in lines) if name in _MEMORY}
    return f"{kib['VmRSS'] / 1024:.0f} MB, at its peak {kib['VmHWM'] / 1024:.0f} MB"


def _sources(page: str, kind: str) -> list[str]:
    return re.findall(rf'src="(/{kind}/[^"]+)"', page)


if __name__ == "__main__":
    main()
