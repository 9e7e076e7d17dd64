"""The quick comparison: imagemake against the script by hand, and both against the ratios that are kept."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from fake_openai import FakeOpenAI, Settings

from comparison.cases import Sitting
from comparison.contestants import OURS, SCRIPT
from comparison.processes import Runner

KEPT = Path(__file__).with_name("ratios.json")
IMAGES, LATENCY_S = 100, 0.2
WORSE = 1.5  # times as large as the kept ratio
TRIES = 2  # a busy machine can make a ratio half as large again


def ratios() -> dict[str, float]:
    """Measure the CPU time of imagemake as a multiple of the script's, by case."""
    cpu_s = {}
    settings = Settings(latency_s=LATENCY_S, prepare=("1024x1024:png",))
    with FakeOpenAI(settings) as server, tempfile.TemporaryDirectory() as root:
        for contestant in (SCRIPT, OURS):
            cases = Sitting(contestant, IMAGES, server, Runner([server.pid]), Path(root)).up_to_date()
            for name, case in cases.items():
                if case["status"] or case.get("lost") or case["billed_again"]:
                    raise SystemExit(f"{contestant.title}, {name}: {case}")
                cpu_s[contestant, name] = case["cpu_s"]
    return {name: cpu_s[OURS, name] / cpu_s[SCRIPT, name] for one, name in cpu_s if one == OURS}


def quick(*, keep: bool) -> None:
    """Compare, and print the ratios.

    Args:
        keep: Whether to keep these ratios for later comparisons.

    Raises:
        SystemExit: If a ratio got worse by half.
    """
    best: dict[str, float] = {}
    kept = {} if keep else json.loads(KEPT.read_bytes())
    for _ in range(TRIES):
        best = {name: min(value, best.get(name, value)) for name, value in ratios().items()}
        worse = [name for name, value in best.items() if name in kept and value > WORSE * kept[name]]
        if not keep and not worse:
            break
    for name, value in best.items():
        print(f"{name:16} {value:5.2f} times the CPU time of the script by hand, kept: {kept.get(name, 0):.2f}")
    if keep:
        KEPT.write_text(json.dumps({name: round(value, 2) for name, value in best.items()}, indent=1) + "\n")
    elif worse:
        raise SystemExit(
            f"got worse by half: {', '.join(worse)}. Find out why; if it must be so, keep the new ratios with "
            "`python bench/compare.py --quick --keep`, and say in the commit what they pay for."
        )
