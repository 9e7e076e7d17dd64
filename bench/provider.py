"""Measures builds against a failing server and a server with a rate limit: what is billed, lost, and reached.

Run from the repository: `.venv/bin/python bench/provider.py --help`. Each part has its own project and
server on this machine. `soak` exits with status 1 if a claim does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from fake_openai import FakeOpenAI, Settings  # noqa: E402
from fake_openai.settings import Limits, Rule  # noqa: E402
from workflow.project import Project  # noqa: E402

TROUBLE = (
    Rule(behavior="rate_limited", share=0.05, retry_after_s=0.5),
    Rule(behavior="server_error", share=0.02),
    Rule(behavior="cut_before_answer", share=0.01),
    Rule(behavior="slow_body", share=0.01, bytes_per_s=20_000),
    Rule(behavior="moderation", share=0.005),
)


def project_of(root: str, server: FakeOpenAI, n: int, in_flight: int, images_per_min: float | None) -> Project:
    """Create a project of small images with different prompts."""
    limits = {"in_flight": in_flight, "first_wait_s": 0.5, "longest_wait_s": 5.0}
    return Project(
        Path(root) / "project",
        server,
        rows=n,
        name="{sku}",
        prompt="Product photo of {product} number {sku}, {color}.",
        model={"parameters": {"size": "64x64", "quality": "low"}},
        limits={**limits, **({"images_per_min": images_per_min} if images_per_min else {})},
        validation={"near_duplicates": False},
        attempts={"max": 1},
        postprocess={"output": {"format": "jpeg"}},
    )


def soak(n: int, in_flight: int, images_per_min: int) -> bool:
    """Build against a server that fails in five ways, and report what was billed and whether all claims hold."""
    # Like the API, the server also reports remaining requests. Its 429 responses are random, not due to that limit.
    limits = Limits(images_per_min=images_per_min, requests_per_min=images_per_min)
    settings = Settings(any_size=True, latency_s=(0.2, 0.6), limits=limits, rules=TROUBLE)
    with FakeOpenAI(settings) as server, tempfile.TemporaryDirectory() as root:
        project = project_of(root, server, n, in_flight, images_per_min)
        start = time.monotonic()
        project.snakemake(expect=None)  # 1 if an image was refused; the claims below say what holds
        wall_s = time.monotonic() - start
        totals = server.totals()
        verdicts = Counter(row["verdict"] for row in project.manifest().values())
        closed = project.journal("closed")
        outcomes = Counter(record["outcome"] for record in closed)
        billed_again = {prompt: count for prompt, count in totals.billed_by_prompt.items() if count > 1}
        key_of = {record["recipe"]["prompt"]: record["key"] for record in project.journal("sent")}
        unknown = Counter(record["key"] for record in closed if record["outcome"] == "unknown")
        ledger_usd = sum((Decimal(str(record.get("cost_usd", 0))) for record in closed), Decimal(0))
        lost_usd = sum(call.cost_usd for call in server.calls() if call.outcome == "cut_before_answer")
        print(f"{n} requests, {totals.calls} calls in {wall_s:.1f} s; verdicts {dict(verdicts)}")
        print(f"  the server's outcomes {totals.outcomes}")
        print(f"  the journal's outcomes {dict(outcomes)}")
        print(f"  most in flight {totals.most_in_flight}, most images a minute {totals.most_images_a_minute}")
        print(f"  keys billed more than once {len(billed_again)}")
        print(f"  server ${totals.total_usd:.6f}, ledger ${ledger_usd:.6f}, in cut connections ${lost_usd:.6f}")
        claims = {
            "every request has a verdict": sum(verdicts.values()) == n,
            "what is not accepted was refused": set(verdicts) <= {"accepted", "refused"},
            "each call is closed": len(closed) == totals.calls == len(project.journal("sent")),
            "only keys with unknown calls were billed again": all(
                count - 1 <= unknown[key_of[prompt]] for prompt, count in billed_again.items()
            ),
            "calls in flight stay below the limit": totals.most_in_flight <= in_flight,
            "images a minute stay below the limit": totals.most_images_a_minute <= images_per_min,
            "ledger and cut connections are the server's total": abs(float(ledger_usd) + lost_usd - totals.total_usd)
            < 0.005,
        }
    for claim, holds in claims.items():
        print(f"  {'holds' if holds else 'DOES NOT HOLD'}: {claim}")
    return all(claims.values())


def throughput(n: int, in_flight: int, images_per_min: int) -> None:
    """Build against a server with a limit of images per minute, which is configured, in headers, or unknown."""
    variants = (
        ("rate set in limits", images_per_min, True),
        ("rate known by headers only", None, True),
        ("rate known by 429 only", None, False),
    )
    for name, own_limit, told in variants:
        # A minute lasts 10 s, so that the full bucket at the start is a small part of the run.
        hint = "both" if told else "none"
        limits = Limits(images_per_min=images_per_min // 6, minute_s=10, headers=told, retry_hint=hint)
        settings = Settings(any_size=True, latency_s=(0.5, 1.0), limits=limits)
        with FakeOpenAI(settings) as server, tempfile.TemporaryDirectory() as root:
            project_of(root, server, n, in_flight, own_limit).snakemake()
            made = [call for call in server.calls() if call.status == 200]
            refused = sum(call.status == 429 for call in server.calls())
            seconds = made[-1].arrived_s - made[0].arrived_s
            # Without a configured rate, the full bucket at the start is used up immediately, which is not a rate.
            burst = 0 if own_limit else images_per_min // 6
            share = (len(made) - 1 - burst) / seconds * 60 / images_per_min
            print(f"{name:28} {100 * share:5.1f} % of {images_per_min} a minute, {refused} of 429, {seconds:.1f} s")


def main() -> None:
    """Run the given parts, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", choices=["soak", "throughput", []], help="default: all")
    parser.add_argument("--images", type=int, help="default: 1000 for soak, 300 for throughput")
    parser.add_argument("--in-flight", type=int, default=32, help="calls in flight; default: 32")
    parser.add_argument("--images-per-min", type=int, help="default: 3000 for soak, 600 for throughput")
    options = parser.parse_args()
    parts = options.part or ["soak", "throughput"]
    holds = True
    if "soak" in parts:
        holds = soak(options.images or 1000, options.in_flight, options.images_per_min or 3000)
    if "throughput" in parts:
        throughput(options.images or 300, options.in_flight, options.images_per_min or 600)
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
