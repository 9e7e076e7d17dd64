"""Writes the page from the figures that are kept."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from comparison.contestants import CONTESTANTS, OURS, PEERS, REPOSITORY, SCRIPT

PAGE = REPOSITORY / "docs" / "explanation" / "performance.md"
WAYS = {
    "ours": "**imagemake**",
    "faiss-multi-hash": "faiss IndexBinaryMultiHash",
    "faiss-flat": "faiss IndexBinaryFlat",
    "imagededup": "imagededup brute_force_cython",
}
FIRST = 1_000  # images of the first table
CASES = ("first run", "nothing to do", "one row edited", "killed")
TITLES = {"killed": "killed and run again"}
PEER_PACKAGES = ("pixeltable", "data-designer", "faiss-cpu", "imagededup")
PACKAGES = ("snakemake", "pillow", "numpy", "openai", "opencv-python-headless")
Results = dict[tuple[str, int], dict[str, Any]]


def write_page(folder: Path) -> None:
    """Write the page.

    Args:
        folder: Of the results.
    """
    results: Results = {}
    for path in sorted(folder.glob("*.json")):
        one = json.loads(path.read_bytes())
        results[one["name"], one["n"]] = one
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    both = {n for name, n in results if name == OURS.name} & {n for name, n in results if name == SCRIPT.name}
    sizes = sorted(both, key=lambda n: (n != FIRST, -n))
    pins = [line for path in sorted(PEERS.glob("*.txt")) for line in path.read_text().splitlines()]
    shown = [pin.replace("==", " ") for pin in pins if pin.partition("==")[0] in PEER_PACKAGES]
    text = environment.get_template("performance.md.j2").render(
        dates=_span([one["at"] for one in results.values()]),
        machines=sorted({one["machine"] for one in results.values()}),
        loads=_span([f"{load:.0f}" for one in results.values() for load in one["load"]], key=float),
        python=platform.python_version(),
        versions=[f"{name} {version(name)}" for name in PACKAGES] + shown,
        who_is_ahead=[(n, [*ahead(results, n), *near_ahead(results)]) for n in sizes[:1]],
        tables=[(n, table(results, n)) for n in sizes],
        filled=[(n, filled_table(results, n)) for n in (100_000, 1_000_000) if ("filled-ours", n) in results],
        near=near_table(results),
        left_out=left_out(results),
        killed_up_to=max((n for (_, n), one in results.items() if "killed" in one["cases"]), default=0),
    )
    PAGE.write_text(text)
    print(f"wrote {PAGE.relative_to(REPOSITORY)}")


def _span(values: Sequence[str], key: Any = None) -> str:
    least, most = min(values, key=key), max(values, key=key)
    return least if least == most else f"{least} to {most}"


def _cpu_s(results: Results, name: str, n: int, case: str, figure: str = "cpu_s") -> float | None:
    """Return a figure; None if it was not measured, the run failed, or an edit went unnoticed."""
    one = results.get((name, n), {}).get("cases", {}).get(case)
    if one is None or one.get("status") or one.get("new_calls", 1) < 1:
        return None
    return float(one[figure])


def left_out(results: Results) -> list[str]:
    """Return what was not measured, in words."""
    missing = []
    for one in CONTESTANTS:
        sizes = [n for n in (1_000, 10_000) if (one.name, n) not in results]
        if sizes:
            missing.append(f"{one.title} with {' and '.join(f'{n:,}' for n in sizes)} images")
    return missing + [f"{n:,} images" for n in (100_000, 1_000_000) if ("filled-ours", n) not in results]


def ahead(results: Results, n: int) -> list[tuple[str, str, str]]:
    """Return, for each case, imagemake's ratio to the script, and who needs less than imagemake."""
    lines = []
    figures = [(TITLES.get(case, case) + ", CPU", case, "cpu_s") for case in CASES]
    figures += [("first run, peak memory", "first run", "peak_mb")]
    figures += [("killed and run again, images paid for twice", "killed", "billed_again")]
    for title, case, figure in figures:
        own = _cpu_s(results, OURS.name, n, case, figure)
        base = 1.0 if figure == "billed_again" else _cpu_s(results, SCRIPT.name, n, case, figure)
        if own is None or not base:
            continue
        better = []
        for one in CONTESTANTS:
            other = _cpu_s(results, one.name, n, case, figure)
            if other is not None and other < own:
                better.append((other / base, one.title))
        show = "{:.0f}" if figure == "billed_again" else "{:.2f}"
        told = ", ".join(f"{other} {show.format(value)}" for value, other in sorted(better)) or "nobody"
        lines.append((title, show.format(own / base), told))
    return lines


def near_ahead(results: Results) -> list[tuple[str, str, str]]:
    """Return, for each size, who finds near-duplicates with less CPU time than imagemake; 1.00 is imagemake's."""
    lines = []
    for n in sorted({n for name, n in results if name == "near-ours"}):
        own = results["near-ours", n]["cases"]["search"]["cpu_s"]
        others = ((title, results.get((f"near-{way}", n))) for way, title in WAYS.items() if way != "ours")
        ratios = [(one["cases"]["search"]["cpu_s"] / own, title) for title, one in others if one]
        told = ", ".join(f"{title} {ratio:.2f}" for ratio, title in sorted(ratios) if ratio < 1) or "nobody"
        if ratios:
            lines.append((f"near-duplicates among {n:,}, CPU (1.00 is imagemake)", "1.00", told))
    return lines


def table(results: Results, n: int) -> list[list[str]]:
    """Return a line per contestant: CPU and memory as ratios to the script, calls paid again, images lost."""
    lines = []
    for one in CONTESTANTS:
        if (one.name, n) not in results:
            continue
        line = [f"**{one.title}**" if one == OURS else one.title]
        for figure, cases in (("cpu_s", CASES), ("peak_mb", CASES[:1])):
            for case in cases:
                own, base = _cpu_s(results, one.name, n, case, figure), _cpu_s(results, SCRIPT.name, n, case, figure)
                line.append(_missing(results, one.name, n, case) if own is None or not base else f"{own / base:.2f}")
        killed = results[one.name, n]["cases"].get("killed", {})
        loads = _span([f"{load:.0f}" for load in results[one.name, n]["load"]], key=float)
        lines.append([*line, str(killed.get("billed_again", "")), str(killed.get("lost", "")), loads])
    seconds = [_cpu_s(results, SCRIPT.name, n, case) for case in CASES]
    memory = _cpu_s(results, SCRIPT.name, n, "first run", "peak_mb")
    units = [f"{value:.1f} s" if value is not None else "" for value in seconds]
    return [*lines, ["*1.00 is*", *units, f"{memory:.0f} MB", "", "", ""]]


def _missing(results: Results, name: str, n: int, case: str) -> str:
    one = results[name, n]["cases"].get(case)
    if one is None:
        return ""
    return "failed" if one.get("status") else "not noticed"


def filled_table(results: Results, n: int) -> list[list[str]]:
    """Return a line per case of a filled project: ours, and the ratio to the script's CPU time."""
    script = results.get(("filled-script", n), {}).get("cases", {})
    lines = []
    for case, one in results["filled-ours", n]["cases"].items():
        if one["status"]:
            lines.append([case, "failed", "", "", ""])
            continue
        by_hand = script.get(case)
        ratio = f"{one['cpu_s'] / by_hand['cpu_s']:.2f}" if by_hand else ""
        lines.append([case, ratio, f"{one['cpu_s']:.1f} s", f"{one['wall_s']:.1f} s", f"{one['peak_mb']:,.0f} MB"])
    return lines


def near_table(results: Results) -> list[list[str]]:
    """Return a line per way to search for near-duplicates, with ratios to ours."""
    sizes = sorted({n for name, n in results if name == "near-ours"})
    lines = []
    for way, title in WAYS.items():
        line = [title]
        for n in sizes:
            one, own = (results.get((f"near-{name}", n), {}).get("cases", {}).get("search") for name in (way, "ours"))
            if one is None or own is None:
                line.append("")
            elif way == "ours":
                line.append(f"1.00 = {one['cpu_s']:.2f} s")
            else:
                line.append(f"{one['cpu_s'] / own['cpu_s']:.2f}{'' if one['exact'] else ', other answers'}")
        lines.append(line)
    return [["", *(f"{n:,}" for n in sizes)], *lines] if sizes else []
