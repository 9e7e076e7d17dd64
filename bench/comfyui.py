"""ComfyUI servers: how busy a pool is, what happens when one dies, and what a real server answers.

- ``pool``: a job of many images on four stand-ins, and again while one of them dies.
- ``questions URL``: asks a real server what the tests ask the stand-in, and prints the forms of its answers, as in
  tests/fake_comfyui/comfyui-*.json.
- ``real URL …``: builds from real servers, without models: generated noise, an uploaded image, and a node that fails.

Run from the repository: `.venv/bin/python bench/comfyui.py --help`. It exits with status 1 if a claim does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from fake_comfyui import FakeComfyUI, workflow  # noqa: E402
from fake_comfyui.questions import facts  # noqa: E402
from PIL import Image  # noqa: E402

from imagemake.config.job_settings import JobSettings  # noqa: E402
from imagemake.config.workflow import template  # noqa: E402
from imagemake.core.recipe import Recipe  # noqa: E402
from imagemake.stages.generate.job import generate_for_job  # noqa: E402
from imagemake.store.items import Item  # noqa: E402
from imagemake.store.journal import Outcome, read_calls  # noqa: E402
from imagemake.store.store import Store  # noqa: E402

SERVERS = 4
TEXT_TO_IMAGE = {"prompt": "6.text", "seed": "3.seed"}
NOISE = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 8421504}},
    "2": {"class_type": "ImageAddNoise", "inputs": {"image": ["1", 0], "seed": 1, "strength": 0.5}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["2", 0]}},
}
LOADED = {**NOISE, "1": {"class_type": "LoadImage", "inputs": {"image": "x.png"}}}


class Campaign:
    """A store, and a job that fills it.

    Args:
        folder: Of the store.
        addresses: Of the servers.
        nodes: The workflow.
        inputs: Its places.
    """

    def __init__(self, folder: Path, addresses: list[str], nodes: dict[str, Any], inputs: dict[str, Any]) -> None:
        self._folder, self.store = folder, Store(folder / "store")
        os.chdir(folder)
        (folder / "workflow.json").write_text(json.dumps(nodes))
        section = {"file": "workflow.json", "inputs": inputs}
        model = {"provider": "comfyui", "name": "m", "base_url": addresses[0], "pool": addresses[1:]}
        limits = {"first_wait_s": 0.5, "longest_wait_s": 5.0}
        sections = {"campaign": "c", "model": {**model, "workflow": section}, "limits": limits}
        self._settings = JobSettings(sections)
        data = template(self._settings.model.workflow)
        self._workflow = sha256(data).hexdigest()
        self.store.references.put(self._workflow, data, durable=False, extension="json")

    def make(self, n: int, calls: int, **fields: Any) -> list[Item]:
        """Make images, and return what came of each."""
        files = {"workflow": self._workflow}
        recipes = [Recipe("comfyui", "m", f"mug {i}", i, model_files=files, **fields) for i in range(n)]
        items = [Item(f"i{i}", 0, recipe, recipe.key(), "new") for i, recipe in enumerate(recipes)]
        work = self._folder / "work"
        return generate_for_job(items, self._settings, job="job", calls=calls, store=self.store.root, work=work)

    def outcomes(self) -> Counter[Outcome]:
        """Return how often each outcome is in the journal."""
        return Counter(call.outcome for call in read_calls(self.store.journal_folder))


def told(claim: str, *, holds: bool) -> bool:
    """Print a claim."""
    print(f"  {'holds' if holds else 'DOES NOT HOLD'}: {claim}", flush=True)
    return holds


def pool(n: int, latency_s: float, *, dies: bool) -> bool:
    """Make images on four stand-ins."""
    with tempfile.TemporaryDirectory() as root, ExitStack() as stack:
        servers = [stack.enter_context(FakeComfyUI(latency_s)) for _ in range(SERVERS)]
        campaign = Campaign(Path(root), [server.base_url for server in servers], workflow(), TEXT_TO_IMAGE)
        killer = threading.Timer(n * latency_s / SERVERS / 2, servers[1].die)
        if dies:
            killer.start()
        started = time.monotonic()
        made = campaign.make(n, calls=3 * SERVERS)
        seconds = time.monotonic() - started
        killer.cancel()
        os.chdir(REPOSITORY)
        fetched = Counter(
            server.prompts[name.partition("_")[0]].graph["6"]["inputs"]["text"]
            for server in servers
            for name in server.fetched
        )
        done = [one for server in servers for one in server.prompts.values() if one.ended]
        first, last = min(one.started for one in done), max(one.ended for one in done)
        busy = [server.busy_share(first, last) for server in servers]
        outcomes = {str(outcome): count for outcome, count in campaign.outcomes().items()}
        print(f"{n} images of {latency_s:g} s{', one server dies' if dies else ''}: {seconds:.1f} s, {outcomes}")
        print(f"  prompts {[len(server.prompts) for server in servers]}, busy {[f'{share:.1%}' for share in busy]}")
        holds = told("none is lost", holds=all(item.raw for item in made))
        holds &= told("none is fetched twice", holds=set(fetched.values()) == {1} and len(fetched) == n)
        return holds & told("each server is busy at least 95% of the time", holds=min(busy) >= 0.95)


def real(addresses: list[str], n: int) -> bool:
    """Make images without models on real servers."""
    png = BytesIO()
    Image.new("RGB", (96, 64), "teal").save(png, "PNG")
    digest = sha256(png.getvalue()).hexdigest()
    holds = True
    ways = {
        "noise": (NOISE, {"prompt": [], "seed": "2.seed"}, {}),
        "an uploaded image": (
            LOADED,
            {"prompt": [], "seed": "2.seed", "references": "1.image"},
            {"references": (digest,)},
        ),
    }
    for name, (nodes, inputs, fields) in ways.items():
        with tempfile.TemporaryDirectory() as root:
            campaign = Campaign(Path(root), addresses, nodes, inputs)
            campaign.store.references.put(digest, png.getvalue(), durable=False)
            started = time.monotonic()
            made = campaign.make(n, calls=3 * len(addresses), **fields)
            os.chdir(REPOSITORY)
            print(f"{name}: {n} images in {time.monotonic() - started:.1f} s, {campaign.outcomes()}")
            holds &= told("all are made", holds=all(item.raw for item in made))
            digests = {item.raw.digest for item in made if item.raw}
            holds &= told("all differ", holds=len(digests) == n)
    return holds


def main() -> None:
    """Run one benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["pool", "questions", "real"])
    parser.add_argument("addresses", nargs="*", metavar="URL", help="of real servers")
    parser.add_argument("--images", type=int, default=200, help="default: 200")
    parser.add_argument("--latency", type=float, default=1.0, help="of a stand-in, in seconds; default: 1")
    options = parser.parse_args()
    if options.what == "questions":
        print(json.dumps(asyncio.run(facts(options.addresses[0])), indent=1))
        return
    if options.what == "real":
        sys.exit(0 if real(options.addresses, options.images) else 1)
    holds = [pool(options.images, options.latency, dies=dies) for dies in (False, True)]
    sys.exit(0 if all(holds) else 1)


if __name__ == "__main__":
    main()
