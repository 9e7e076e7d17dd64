"""Builds from ComfyUI servers: one that is killed repeatedly, and then finished. Was every prompt queued once?"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fake_comfyui import FakeComfyUI, Prompt, workflow
from workflow.killing import Books
from workflow.project import Project, kill_group
from workflow.queue_killing import SECTIONS, STARTUP_S, WORK_S, grow, moment_of

from imagemake.store.journal import Outcome, read_calls

INPUTS = {"prompt": "6.text", "seed": "3.seed", "width": "5.width", "height": "5.height"}


def comfyui_project(folder: Path, servers: Sequence[FakeComfyUI], rows: int, **config: Any) -> Project:
    """Return a project whose images come from ComfyUI servers.

    Args:
        folder: Folder of the project.
        servers: The servers.
        rows: Number of catalog rows.
        config: Further sections.
    """
    first, *more = [server.base_url for server in servers]
    model = {
        "provider": "comfyui",
        "name": "mugs",
        "base_url": first,
        "pool": more,
        "workflow": {"file": "config/workflow.json", "inputs": INPUTS},
    }
    facts = {"comfyui": {"mugs": {"prices": {"usd_per_image": 0, "as_of": "2026-11-01"}}}}
    project = Project(folder, rows=rows, model=model, models=facts, **{**SECTIONS, **config})
    (folder / "config" / "workflow.json").write_text(json.dumps(workflow()))
    return project


def text_of(prompt: Prompt) -> str:
    """Return what a prompt asks for."""
    return str(prompt.graph["6"]["inputs"]["text"])


def kill_comfyui_and_finish(folder: Path, kills: int, seed: int) -> Books:
    """Start a build from two servers and kill it at random moments, then let it finish; as `kill_and_finish`."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        servers = [stack.enter_context(FakeComfyUI(latency_s=0.7)) for _ in range(2)]
        project = comfyui_project(folder, servers, 6)
        moments: Counter[str] = Counter()
        for _ in range(kills):
            grow(project)
            before = sum(len(server.prompts) for server in servers)
            run = project.start()
            works = chance.random() < 0.8
            while works and run.poll() is None and sum(len(server.prompts) for server in servers) == before:
                time.sleep(0.02)
            time.sleep(chance.uniform(0, WORK_S if works else STARTUP_S))
            moments[moment_of(project, run)] += 1
            kill_group(run)
        project.snakemake()
        return _books(project, servers, dict(moments))


def _books(project: Project, servers: Sequence[FakeComfyUI], moments: dict[str, int]) -> Books:
    calls = list(read_calls(project.folder / "store" / "journal"))
    prompts = [prompt for server in servers for prompt in server.prompts.values()]
    submitted = Counter(map(text_of, prompts))
    fetched = {name.partition("_")[0] for server in servers for name in server.fetched}
    claims = {
        "every request is accounted for": len(project.manifest()) == len(project.rows),
        "every image is there": len(project.images()) == len(project.rows),
        "no call is open": Outcome.WAITING not in {call.outcome for call in calls},
        "each prompt is queued once": set(submitted.values()) == {1} and len(submitted) == len(project.rows),
        "every image that was made was fetched": {prompt.id for prompt in prompts} <= fetched,
    }
    return Books(
        requests=len(project.rows),
        calls=len(prompts),
        unknown=sum(call.outcome is Outcome.UNKNOWN for call in calls),
        again=sum(n - 1 for n in submitted.values()),
        moments=moments,
        claims=claims,
    )
