"""Plans 100,000 requests in chains of 1 to 4 images, and as many that need no other image, in one process.

    python bench/families.py [--rows 25000]

Prints the seconds of CPU of each part of a plan, for an empty store and for one that has every image.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagemake.config.campaign import load_campaign
from imagemake.core.garbage import collect_rarely
from imagemake.plan.batches import open_states
from imagemake.plan.inventory import Inventory
from imagemake.plan.policy import policy_of
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import expand
from imagemake.plan.requests.selection import requests_of_scope, within
from imagemake.plan.resolve import resolve
from imagemake.plan.state import Stage
from imagemake.store.store import Store, StoredFile

LINKS = ("first", "second", "third", "fourth")
CAMPAIGN: Mapping[str, Any] = {
    "campaign": "chains",
    "catalog": "config/catalog.csv",
    "prompt": "Product photo of {product}, {link}",
    "name": "{sku}_{link}",
    "model": {"provider": "preview", "name": "preview-1"},
    "validation": {"near_duplicates": False},
}


def chains(n: int) -> list[Row]:
    """Return the rows of n times four images, in chains of 1 to 4: each with the name of the image before it."""
    rows = []
    for number in range(n):
        for place in range(len(LINKS)):
            depth = place % (number % len(LINKS) + 1)  # chains of 1 to 4
            before = f"S{number:06}_{LINKS[place - 1]}" if depth else ""
            values = {"sku": f"S{number:06}", "product": f"mug {number}", "link": LINKS[place], "before": before}
            rows.append(Row(len(rows) + 2, values))
    return rows


def seconds_of(data: Mapping[str, Any], rows: list[Row], folder: Path) -> dict[str, float]:
    """Plan a campaign with an empty store, and with one that has every image; return the seconds of CPU by part."""
    campaign, clock = load_campaign(data), time.process_time
    times = [clock()]
    requests = requests_of_scope(campaign, expand(campaign, rows), "all")
    names, policy = within(campaign, requests), policy_of(campaign)
    times.append(clock())
    inventory = Inventory(Store(folder / "store"), folder / "work")
    open_states(resolve(requests, inventory, policy, {}), names)
    times.append(clock())
    measures = {identity: {"format": "png", "contrast": 50.0} for identity in policy.measures}
    while due := [state for state in resolve(requests, inventory, policy, {}) if state.stage is Stage.GENERATE]:
        for state in due:
            digest = hashlib.sha256(state.key.encode()).hexdigest()
            inventory.raw[state.key] = StoredFile(state.key, digest, "png")
            inventory.measures[digest] = measures
    times.append(clock())
    states = resolve(requests, inventory, policy, {})
    times.append(clock())
    assert all(state.is_accepted for state in states)
    return {"requests": times[1] - times[0], "empty store": times[2] - times[1], "full store": times[4] - times[3]}


def main() -> None:
    """Measure both in turns, and print the least seconds of each part and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=25_000, help="each stands for four images (default: 25,000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often to measure (default: 3)")
    options = parser.parse_args()
    collect_rarely()
    rows = chains(options.rows)
    chained = {**CAMPAIGN, "references": [{"image": "{before}"}], "defaults": {"before": ""}}
    n_made_from = sum(bool(row.values["before"]) for row in rows)
    print(f"{len(rows):,} requests, of which {n_made_from:,} are made from another one in the chains")
    best: dict[tuple[str, str], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for title, data in (("flat", CAMPAIGN), ("chains", chained)):
                for part, seconds in seconds_of(data, rows, Path(folder)).items():
                    best[title, part] = min(seconds, best.get((title, part), seconds))
    for part in ("requests", "empty store", "full store"):
        print(f"  {part:12} {best['flat', part]:6.2f} s flat, {best['chains', part]:6.2f} s in chains")
    for store in ("empty store", "full store"):
        flat, other = (best[title, "requests"] + best[title, store] for title in ("flat", "chains"))
        print(f"  a plan with an {store}: {other / flat:.2f} times the flat one".replace("an full", "a full"))


if __name__ == "__main__":
    main()
