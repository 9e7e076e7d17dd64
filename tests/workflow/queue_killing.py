"""A build from a provider's queue that is killed repeatedly, and then finished: was everything submitted once?"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fake_queue import FakeQueue
from fake_queue.server import PRICE_USD
from workflow.killing import Books
from workflow.project import PRODUCTS, Project, kill_group

from imagemake.store.journal import Outcome, read_calls
from imagemake.store.open_calls import OpenCalls

ROWS_A_RUN = 6
STARTUP_S = 4.0  # approximate time before the first call of a run
WORK_S = 3.0
CENT_TENTHS = 1e-6
SECTIONS: Mapping[str, Any] = {
    "name": "{sku}",
    "prompt": "Product photo of {product} number {sku}, {color}.",
    "limits": {"in_flight": 4, "first_wait_s": 0.05, "longest_wait_s": 1.0},
    "validation": {"near_duplicates": False, "size": "any"},
    "attempts": {"max": 1},
}  # of a project whose images come from a queue
KEY_VARIABLE = "IMAGEMAKE_STAND_IN_KEY"


def queue_project(folder: Path, server: FakeQueue, name: str, rows: int, **config: Any) -> Project:
    """Return a project whose images come from a queue.

    Args:
        folder: Folder of the project.
        server: The queue.
        name: Name of the model.
        rows: Number of catalog rows.
        config: Further sections.
    """
    os.environ[KEY_VARIABLE] = "stand-in-key"
    provider = server.form.name
    address = {"base_url": server.base_url, "identity": provider, "key_from": KEY_VARIABLE}
    facts = {"prices": {"usd_per_image": PRICE_USD, "as_of": "2026-11-01"}, "size_rule": {"min_edge_px": 16}}
    model = {"provider": provider, "name": name, **address}
    return Project(folder, rows=rows, model=model, models={provider: {name: facts}}, **{**SECTIONS, **config})


def kill_queue_and_finish(folder: Path, kills: int, seed: int) -> Books:
    """Start a build from fal's queue and kill it at random moments, then let it finish; as `kill_and_finish`."""
    chance = random.Random(seed)
    with FakeQueue("fal", latency_s=(0.2, 3.0), seed=seed) as server:
        project = queue_project(folder, server, "fal-ai/flux-2-pro", ROWS_A_RUN)
        moments: Counter[str] = Counter()
        for _ in range(kills):
            grow(project)
            run = project.start()
            if chance.random() < 0.8:
                _wait_for_work(server, run)
                time.sleep(chance.uniform(0, WORK_S))
            else:
                time.sleep(chance.uniform(0, STARTUP_S))
            moments[moment_of(project, run)] += 1
            kill_group(run)
        project.snakemake()
        return _books(project, server, moments)


def grow(project: Project) -> None:
    """Add rows to the catalog."""
    start = len(project.rows)
    project.rows += [
        {"sku": f"S{n:03}", "product": PRODUCTS[n % len(PRODUCTS)], "color": "red"}
        for n in range(start, start + ROWS_A_RUN)
    ]
    project.write_catalog()


def _wait_for_work(server: FakeQueue, run: subprocess.Popen[bytes]) -> None:
    before = len(server.jobs)
    while run.poll() is None and len(server.jobs) == before:
        time.sleep(0.02)


def moment_of(project: Project, run: subprocess.Popen[bytes]) -> str:
    """Return how far a run is, as its kill is counted."""
    if run.poll() is not None:
        return "after its end"
    n = len(OpenCalls(project.folder / "store").all())
    return "requests in the queue" if n else "no request open"


def _books(project: Project, server: FakeQueue, moments: Mapping[str, int]) -> Books:
    calls = list(read_calls(project.folder / "store" / "journal"))
    ledger, unknown = Counter[str](), Counter[str]()
    for call in calls:
        prompt = call.sent["recipe"]["prompt"]
        ledger[prompt] += round(1e6 * (call.closed or {}).get("cost_usd", 0.0))
        unknown[prompt] += call.outcome is Outcome.UNKNOWN
    submitted, billed = Counter[str](), Counter[str]()
    for job in server.jobs.values():
        submitted[job.prompt] += 1
        billed[job.prompt] += round(1e6 * job.billed_usd)
    claims = {
        "every request is accounted for": len(project.manifest()) == len(project.rows),
        "every image is there": len(project.images()) == len(project.rows),
        "no call is open": Outcome.WAITING not in {call.outcome for call in calls},
        "each is submitted once, but for unknown calls": all(n <= 1 + unknown[it] for it, n in submitted.items()),
        "the ledger is the server's total, but for unknown calls": all(
            0 <= billed[it] - ledger[it] <= 1e6 * PRICE_USD * unknown[it] + CENT_TENTHS for it in {*billed, *ledger}
        ),
        "every image that was paid for was fetched": all(
            job.fetched or unknown[job.prompt] for job in server.jobs.values()
        ),
    }
    return Books(
        requests=len(project.rows),
        calls=len(server.jobs),
        billed_usd=sum(billed.values()) / 1e6,
        ledger_usd=sum(ledger.values()) / 1e6,
        unknown=unknown.total(),
        again=sum(n - 1 for n in submitted.values()),
        moments=dict(moments),
        claims=claims,
    )
