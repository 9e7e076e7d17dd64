"""Generates thousands of images in one job, from servers that fail in many ways: what is billed, lost, and held?

One job makes them, and another one what is left, as the next run does. It exits with status 1 if a claim does not hold.
`bench/provider.py soak` does the same for OpenAI's API, with whole builds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "src"), str(REPOSITORY / "tests")]

from fake_gemini.server import FakeGemini  # noqa: E402
from fake_gemini.settings import Behavior, Settings  # noqa: E402
from fake_gemini.settings import Rule as GeminiRule  # noqa: E402
from fake_openrouter.server import FakeOpenRouter, Rule  # noqa: E402
from fake_queue import FakeQueue  # noqa: E402
from fake_queue.server import LOST, PRICE_USD  # noqa: E402
from providers import WAYS  # noqa: E402

from imagemake.config.job_settings import JobSettings  # noqa: E402
from imagemake.core.recipe import Recipe  # noqa: E402
from imagemake.stages.generate.job import generate_for_job  # noqa: E402
from imagemake.store.items import FailureReason, Item  # noqa: E402
from imagemake.store.journal import Outcome, read_calls  # noqa: E402

# By the end of the number in a prompt: 0.5 % of the prompts meet a 429, 2 % a 500, 1 % a cut connection, 0.5 % a
# refusal. A 429 that tells no limits slows down all calls.
LIMITED, BROKEN, CUT, REFUSED = "[02468]07$", "(12|55)$", "77$", "[13579]50$"
LATENCY_S = 0.2
MODELS = {
    "fal": "fal-ai/flux-2-pro",
    "bfl": "flux-2-pro",
    "replicate": "black-forest-labs/flux-2-pro",
    "dashscope": "qwen-image-3.0",
}
# Shares of submissions, of questions about them, and of downloads: 429, 500, 503, and answers that are lost.
SUBMITS = {429: 0.005, 500: 0.02, LOST: 0.01}
POLLS = {429: 0.02, 503: 0.02, LOST: 0.01}
FILES = {503: 0.02, LOST: 0.01}


class TroubledQueue(FakeQueue):
    """A queue that fails by chance."""

    def __init__(self, form: str) -> None:
        super().__init__(form, latency_s=(LATENCY_S, 3 * LATENCY_S))
        self._fate = random.Random(1)
        self._unheard: list[str] = []

    def answer(self, method: str, path: str, headers: dict[str, str], content: bytes) -> tuple[int, Any] | None:
        """Answer a call; see `FakeQueue.answer`."""
        with self._lock:
            if path.startswith("/files/"):
                self._prepare(self.next_file, FILES)
            elif self.form.job_id(method, path):
                self._prepare(self.next_poll, POLLS)
            else:
                self._prepare(self.next_submit, SUBMITS)
        return super().answer(method, path, headers, content)

    def _prepare(self, statuses: list[int], shares: dict[int, float]) -> None:
        drawn = self._fate.random()
        for status, share in shares.items():
            drawn -= share
            if drawn < 0:
                statuses.append(status)
                return

    def _submit(self, model: str, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, Any] | None:
        answer = super()._submit(model, body, headers)
        if answer is None:
            self._unheard.append(next(reversed(self.jobs)))
        return answer

    @property
    def lost_usd(self) -> Decimal:
        """What the requests cost whose submission got no answer."""
        return sum((Decimal(str(self.jobs[one].billed_usd)) for one in self._unheard), Decimal(0))


@dataclass(frozen=True, slots=True)
class Books:
    """What a server says.

    Attributes:
        calls: Number of calls for images.
        total_usd: What they cost.
        lost_usd: What those cost whose answer was lost.
        billed: How often each prompt was billed.
    """

    calls: int
    total_usd: Decimal
    lost_usd: Decimal
    billed: Counter[str]


def of_gemini(server: FakeGemini) -> Books:
    """Return what the stand-in of Google's API says."""
    lost = sum((call.cost_usd for call in server.calls if call.behavior == Behavior.CUT), Decimal(0))
    billed = Counter(call.prompt for call in server.calls if call.has_image)
    return Books(len(server.calls), server.record.total_usd, lost, billed)


def of_openrouter(server: FakeOpenRouter) -> Books:
    """Return what the stand-in of OpenRouter's API says."""
    lost = sum((Decimal(str(call.cost_usd)) for call in server.calls if call.behavior == "cut"), Decimal(0))
    billed = Counter(call.body["prompt"] for call in server.calls if call.cost_usd)
    return Books(len(server.calls), Decimal(str(server.billed_usd)), lost, billed)


def of_queue(server: TroubledQueue) -> Books:
    """Return what a queue says."""
    total = sum((Decimal(str(job.billed_usd)) for job in server.jobs.values()), Decimal(0))
    billed = Counter(job.prompt for job in server.jobs.values() if job.billed_usd)
    return Books(len(server.jobs), total, server.lost_usd, billed)


def gemini() -> FakeGemini:
    """Return the stand-in of Google's API."""
    behaviors = {
        LIMITED: Behavior.RATE_LIMITED,
        BROKEN: Behavior.INTERNAL,
        CUT: Behavior.CUT,
    }
    once = [GeminiRule(behavior, prompt, first=1) for prompt, behavior in behaviors.items()]
    return FakeGemini(Settings((*once, GeminiRule(Behavior.IMAGE_SAFETY, REFUSED)), latency_s=LATENCY_S))


def openrouter() -> FakeOpenRouter:
    """Return the stand-in of OpenRouter's API."""
    faults = {LIMITED: "rate_limited", BROKEN: "internal", CUT: "cut"}
    once = [Rule(prompt, fault, first=1) for prompt, fault in faults.items()]
    return FakeOpenRouter([*once, Rule(REFUSED, "moderation")], latency_s=LATENCY_S)


def prompt_of(number: int) -> str:
    """Return a prompt; queues refuse some by a word."""
    return f"soak {'weapon ' if re.search(REFUSED, f'{number:04}') else ''}{number:04}"


def job(name: str, base_url: str, n: int, in_flight: int, folder: Path) -> None:
    """Generate as a job does, in a process of its own."""
    model_name = WAYS[name].model if name in WAYS else MODELS[name]
    recipes = [Recipe(name, model_name, prompt_of(number), number, endpoint="stand-in") for number in range(n)]
    items = [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]
    model = {"provider": name, "name": model_name, "base_url": base_url, "identity": "stand-in", "key_from": "SOAK_KEY"}
    limits = {"in_flight": in_flight, "first_wait_s": 0.5, "longest_wait_s": 5.0}
    given: dict[str, Any] = {"campaign": "soak", "model": model, "limits": limits}
    if name in MODELS:
        given["models"] = {name: {model_name: {"prices": {"usd_per_image": PRICE_USD, "as_of": "2026-11-01"}}}}
    settings = JobSettings(given)
    made = generate_for_job(items, settings, job="soak", calls=in_flight, store=folder / "store", work=folder)
    print("  ended", dict(Counter(str(one.failure.reason if one.failure else "made") for one in made)), flush=True)
    others = [one.failure for one in made if one.failure and one.failure.reason is not FailureReason.REFUSED]
    for failure in others[:3]:
        print(f"  {failure.reason}: {failure.message}", flush=True)


def watched(target: Callable[..., None], *arguments: Any) -> list[float]:
    """Run a job, and return the memory that it holds, once a second, in MiB."""
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    process.start()
    held = list[float]()
    while process.is_alive():
        with suppress(OSError, IndexError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            held.append(int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024)
        process.join(1.0)
    assert process.exitcode == 0, f"the job ended with {process.exitcode}"
    return held


def soak(name: str, n: int, in_flight: int) -> bool:
    """Generate, and report what was billed and whether all claims hold."""
    start = time.monotonic()
    server: Any = gemini() if name == "gemini" else openrouter() if name == "openrouter" else TroubledQueue(name)
    with server, tempfile.TemporaryDirectory() as root:
        os.environ["SOAK_KEY"] = WAYS[name].key if name in WAYS else "stand-in-key"
        print(f"{name}: {n} requests, {in_flight} in flight", flush=True)
        held = watched(job, name, server.base_url, n, in_flight, Path(root))
        watched(job, name, server.base_url, n, in_flight, Path(root))
        books = {"gemini": of_gemini, "openrouter": of_openrouter}.get(name, of_queue)(server)
        calls = list(read_calls(Path(root) / "store" / "journal"))
        images = sum(1 for _ in (Path(root) / "store" / "raw").rglob("*.*.*"))
    wall_s = time.monotonic() - start
    ledger = sum((Decimal(str((call.closed or {}).get("cost_usd", 0))) for call in calls), Decimal(0))
    outcomes = Counter(call.outcome.value for call in calls)
    unknown = Counter(call.sent["recipe"]["prompt"] for call in calls if call.outcome is Outcome.UNKNOWN)
    refused = {call.sent["key"] for call in calls if call.outcome is Outcome.REFUSED}
    again = {prompt: count - 1 for prompt, count in books.billed.items() if count > 1}
    early, late = max(held[: max(1, len(held) // 4)]), max(held[len(held) // 2 :])
    print(f"  {books.calls} calls in {wall_s:.0f} s, load {os.getloadavg()[0]:.0f}; outcomes {dict(outcomes)}")
    print(f"  server ${books.total_usd:.6f}, ledger ${ledger:.6f}, in cut connections ${books.lost_usd:.6f}")
    print(f"  billed again {sum(again.values())}; memory {early:.0f} MiB early, {late:.0f} MiB late")
    claims = {
        "every request is made or refused": images + len(refused) == n,
        "each call is closed": all(call.closed for call in calls),
        "only keys with unknown calls were billed again": all(n <= unknown[prompt] for prompt, n in again.items()),
        "ledger and cut connections are the server's total": abs(books.total_usd - ledger - books.lost_usd)
        < Decimal("0.005"),
        "memory does not grow": late < 1.1 * early + 5,
    }
    for claim, holds in claims.items():
        print(f"  {'holds' if holds else 'DOES NOT HOLD'}: {claim}", flush=True)
    return all(claims.values())


def main() -> None:
    """Soak the given providers, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["openrouter", "gemini", *MODELS]
    parser.add_argument("provider", nargs="*", choices=[*names, []], help="default: all")
    parser.add_argument("-n", type=int, default=5000, help="images; default: 5000")
    parser.add_argument("--in-flight", type=int, default=32, help="calls in flight; default: 32")
    options = parser.parse_args()
    holds = [soak(name, options.n, options.in_flight) for name in options.provider or names]
    sys.exit(0 if all(holds) else 1)


if __name__ == "__main__":
    main()
