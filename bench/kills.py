"""Kills builds at random moments, and reports what is lost and what is paid twice.

Run from the repository: `.venv/bin/python bench/kills.py --help`. It exits with status 1
if a claim does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from workflow.comfyui_killing import kill_comfyui_and_finish  # noqa: E402
from workflow.killing import kill_and_finish  # noqa: E402
from workflow.queue_killing import kill_queue_and_finish  # noqa: E402


def main() -> None:
    """Kill builds in the given modes, or in all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", nargs="*", choices=["sync", "batch", "queue", "comfyui", []], help="default: all")
    parser.add_argument("--kills", type=int, default=50, help="kills per mode; default: 50")
    parser.add_argument("--seed", type=int, default=20261124, help="seed of the moments; default: 20261124")
    options = parser.parse_args()
    holds = True
    for mode in options.mode or ["sync", "batch", "queue", "comfyui"]:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root) / "project"
            if mode == "comfyui":
                books = kill_comfyui_and_finish(folder, options.kills, options.seed)
            elif mode == "queue":
                books = kill_queue_and_finish(folder, options.kills, options.seed)
            else:
                books = kill_and_finish(folder, mode, options.kills, options.seed)
        print(f"{mode}: {options.kills} kills in {time.monotonic() - start:.0f} s, at {books.moments}")
        print(f"  {books.requests} requests, {books.calls} calls, {books.again} billed again, {books.unknown} unknown")
        print(f"  server ${books.billed_usd:.6f}, ledger ${books.ledger_usd:.6f}")
        for claim, true in books.claims.items():
            print(f"  {'holds' if true else 'DOES NOT HOLD'}: {claim}", flush=True)
        holds &= all(books.claims.values())
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
