"""Compares imagemake with scripts by hand and other tools, and writes docs/explanation/performance.md.

    python bench/compare.py                      everything that is not measured yet, then the page
    python bench/compare.py --only script ours --images 1000 --again
    python bench/compare.py --only script ours --images 10000 --killed-up-to 10000
    python bench/compare.py --only filled --images 1000000 --filled FOLDER    a project that bench/large.py filled
    python bench/compare.py --page               only write the page
    python bench/compare.py --quick              minutes: fail if a ratio is half as large again as the kept one

Each measurement is kept in .bench/results as soon as it is there, so an interrupted run goes on. The other tools are
installed into .bench/envs. They reach no server but the stand-in on this machine. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from comparison import filled, near_duplicates
from comparison.cases import Sitting
from comparison.contestants import CACHE, CONTESTANTS, Contestant, python_of
from comparison.page import write_page
from comparison.processes import Runner, cpu_s_of, machine
from comparison.quick import quick
from fake_openai import FakeOpenAI, Settings

RESULTS = CACHE / "results"
SIZES = (100, 1_000, 10_000)
KILLED_UP_TO = 1_000
LATENCY_S = 1.0
OTHERS = ("near-duplicates", "filled")


def measure(contestant: Contestant, n: int, killed_up_to: int) -> dict[str, Any]:
    """Measure all cases of a contestant at one size."""
    python_of(contestant.environment)  # installing does not count
    with a_folder() as root, FakeOpenAI(Settings(latency_s=LATENCY_S, prepare=("1024x1024:png",))) as server:
        before_s = cpu_s_of(server.pid)
        sitting = Sitting(contestant, n, server, Runner([server.pid]), root)
        cases = sitting.up_to_date()
        if n <= killed_up_to:
            cases |= sitting.killed()
        return {**cases, "stand-in": {"cpu_s": cpu_s_of(server.pid) - before_s}}


def keep(name: str, n: int, work: Callable[[], dict[str, Any]], *, again: bool) -> None:
    """Measure what is not measured yet."""
    path = RESULTS / f"{name}-{n}.json"
    if path.exists() and not again:
        return
    load, started = os.getloadavg()[0], time.monotonic()
    cases = work()
    about = {"name": name, "n": n, "at": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine()}
    path.write_text(json.dumps({**about, "load": [load, os.getloadavg()[0]], "cases": cases}, indent=1))
    print(f"{name} {n:,}: {time.monotonic() - started:,.0f} s on the clock")
    for case, one in cases.items():
        told = ", ".join(f"{key} {value:,.1f}" for key, value in one.items() if isinstance(value, float))
        failed = f" FAILED: {one['said'][-300:]}" if one.get("status") else ""
        print(
            f"{name} {n:,} {case}: {told}, again {one.get('billed_again')}, lost {one.get('lost')}{failed}", flush=True
        )


@contextmanager
def a_folder() -> Iterator[Path]:
    """Make a folder for a while. It is not in /tmp, which may be in memory."""
    with tempfile.TemporaryDirectory(dir=CACHE) as root:
        yield Path(root)


def everything(
    only: list[str], sizes: list[int], *, again: bool, killed_up_to: int = KILLED_UP_TO, kept: Path | None = None
) -> None:
    """Measure all that is wanted, the small sizes first."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for n in sorted(set(sizes)):
        for contestant in CONTESTANTS:
            if contestant.name in only and n <= contestant.most:
                keep(contestant.name, n, partial(measure, contestant, n, killed_up_to), again=again)
        for way, most in near_duplicates.WAYS.items():
            if "near-duplicates" in only and n in near_duplicates.SIZES and n <= most:
                with a_folder() as root:
                    search = partial(near_duplicates.measure, way, n, Runner([]), root)
                    keep(f"near-{way}", n, lambda search=search: {"search": search()}, again=again)  # type: ignore[misc]
        for name, fill in (("script", filled.script), ("ours", partial(filled.ours, kept=kept))):
            if "filled" in only and n in filled.SIZES and (name == "ours" or n <= filled.SCRIPT_MOST):
                with a_folder() as root:
                    keep(f"filled-{name}", n, partial(fill, n, Runner([]), root), again=again)


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*(one.name for one in CONTESTANTS), *OTHERS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--images", nargs="+", type=int, default=[*SIZES, *near_duplicates.SIZES], metavar="N")
    parser.add_argument(
        "--killed-up-to", type=int, default=KILLED_UP_TO, metavar="N", help="largest run to kill; default: 1,000"
    )
    parser.add_argument("--filled", type=Path, metavar="FOLDER", help="a filled project, in place of a new one")
    parser.add_argument("--again", action="store_true", help="measure again what is measured already")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--quick", action="store_true", help="only compare with the kept ratios, with few images")
    parser.add_argument("--keep", action="store_true", help="with --quick: keep these ratios")
    options = parser.parse_args()
    if options.quick:
        quick(keep=options.keep)
        return
    if not options.page:
        everything(
            options.only,
            options.images,
            again=options.again,
            killed_up_to=options.killed_up_to,
            kept=options.filled,
        )
    write_page(RESULTS)


if __name__ == "__main__":
    main()
