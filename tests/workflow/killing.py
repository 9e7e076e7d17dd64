"""A build that is killed repeatedly, with new requests before each start, and then finished: do all records agree?"""

from __future__ import annotations

import random
import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fake_openai import BatchSettings, FakeOpenAI, Settings
from workflow.project import PRODUCTS, Project, kill_group

from imagemake.store.journal import Outcome, read_calls

CENT_TENTHS = 1e-6  # rounding of a cost in the journal, in USD
ROWS_A_RUN = {"sync": 8, "batch": 3}
STARTUP_S = 5.0  # approximate time before the first call of a run
WORK_S = {"sync": 2.0, "batch": 5.0}


@dataclass(slots=True)
class Books:
    """Result of a killed build.

    Attributes:
        requests: Number of requests.
        calls: Calls that the server recorded.
        billed_usd: Total cost at the server.
        ledger_usd: Total known cost in the journal.
        unknown: Calls with unknown outcome in the journal.
        again: Billed calls beyond the first of each key.
        moments: Kills by progress of the run.
        claims: Conditions that must be true.
    """

    requests: int
    calls: int = 0
    billed_usd: float = 0.0
    ledger_usd: float = 0.0
    unknown: int = 0
    again: int = 0
    moments: Mapping[str, int] = field(default_factory=dict)
    claims: dict[str, bool] = field(default_factory=dict)


def kill_and_finish(folder: Path, mode: str, kills: int, seed: int) -> Books:
    """Start a build and kill it at random moments, then let it finish.

    Args:
        folder: Folder of the project.
        mode: ``sync`` or ``batch``.
        kills: Number of kills. New requests are added before each start.
        seed: Seed of the moments.
    """
    chance = random.Random(seed)
    batches = BatchSettings(duration_s=2.0, list_lag_s=0.3)
    with FakeOpenAI(Settings(any_size=True, latency_s=(0.1, 0.6), batches=batches)) as server:
        project = _project(folder, server, mode)
        moments: defaultdict[str, int] = defaultdict(int)
        for _ in range(kills):
            _grow(project, ROWS_A_RUN[mode])
            run = project.start()
            if chance.random() < 0.7:
                _wait_for_work(project, run, mode)
                time.sleep(chance.uniform(0, WORK_S[mode]))
            else:
                time.sleep(chance.uniform(0, STARTUP_S))
            moments[_moment(project, run)] += 1
            kill_group(run)
            server.wait_until_idle()
        project.snakemake()
        return _books(project, server, moments)


def _project(folder: Path, server: FakeOpenAI, mode: str) -> Project:
    return Project(
        folder,
        server,
        rows=ROWS_A_RUN[mode],
        name="{sku}",
        prompt="Product photo of {product} number {sku}, {color}.",
        model={"mode": mode, "parameters": {"size": "64x64", "quality": "low"}},
        limits={"in_flight": 4, "longest_wait_s": 1.0},
        validation={"near_duplicates": False},
        attempts={"max": 1},
    )


def _grow(project: Project, more: int) -> None:
    start = len(project.rows)
    project.rows += [
        {"sku": f"S{n:03}", "product": PRODUCTS[n % len(PRODUCTS)], "color": "red"} for n in range(start, start + more)
    ]
    project.write_catalog()


def _wait_for_work(project: Project, run: subprocess.Popen[bytes], mode: str) -> None:
    """Wait until the run makes a call or ends."""
    before = project.calls()
    locks = set(project.folder.glob("store/submissions/*.lock"))
    while run.poll() is None:
        if mode == "sync" and project.calls() > before:
            return
        if mode == "batch" and set(project.folder.glob("store/submissions/*.lock")) - locks:
            return
        time.sleep(0.02)


def _moment(project: Project, run: subprocess.Popen[bytes]) -> str:
    """Return the progress of a run, to report what the kills hit."""
    if run.poll() is not None:
        return "after its end"
    assert project.server is not None
    if project.server.totals().in_flight:
        return "calls in flight"
    steps = [path.read_bytes() for path in project.folder.glob("store/submissions/*.json")]
    for step in ("prepared", "creating", "created"):
        if any(f'"step":"{step}"'.encode() in state for state in steps):
            return f"a submission {step}"
    return "no call open"


def _books(project: Project, server: FakeOpenAI, moments: Mapping[str, int]) -> Books:
    calls = list(read_calls(project.folder / "store" / "journal"))
    prompt_of = {call.sent["key"]: call.sent["recipe"]["prompt"] for call in calls}
    ledger: defaultdict[str, float] = defaultdict(float)
    open_usd: defaultdict[str, float] = defaultdict(float)
    unknown: defaultdict[str, int] = defaultdict(int)
    for call in calls:
        prompt = prompt_of[call.sent["key"]]
        ledger[prompt] += (call.closed or {}).get("cost_usd", 0.0)
        if call.outcome is Outcome.UNKNOWN:
            unknown[prompt] += 1
            open_usd[prompt] += call.sent["worst_usd"]
    billed: defaultdict[str, float] = defaultdict(float)
    again: defaultdict[str, int] = defaultdict(lambda: -1)
    for seen in server.calls():
        if seen.billed:
            billed[str(seen.prompt)] += seen.cost_usd
            again[str(seen.prompt)] += 1
    manifest = project.manifest()
    told = {
        prompt: -CENT_TENTHS < billed[prompt] - ledger[prompt] <= open_usd[prompt] + CENT_TENTHS
        for prompt in {*billed, *ledger}
    }
    claims = {
        "every request is accounted for": len(manifest) == len(project.rows),
        "every image is there": len(project.images()) == len(project.rows),
        "no call waits and no submission is open": Outcome.WAITING not in {call.outcome for call in calls}
        and not list(project.folder.glob("store/submissions/*.json")),
        "each call of the server is in the journal": len(server.calls()) <= len(calls),
        "each key is billed once, but those with unknown calls": all(n <= unknown[key] for key, n in again.items()),
        "the ledger is the server's total, but for the unknown calls of a key, within their worst case": all(
            told.values()
        ),
    }
    return Books(
        requests=len(project.rows),
        calls=len(server.calls()),
        billed_usd=sum(billed.values()),
        ledger_usd=sum(ledger.values()),
        unknown=sum(unknown.values()),
        again=sum(again.values()),
        moments=dict(moments),
        claims=claims,
    )
