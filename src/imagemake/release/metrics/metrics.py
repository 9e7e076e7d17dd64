"""Metrics of a release, which `dvc metrics diff` compares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, get_args

import orjson

from imagemake.core.files import write_whole
from imagemake.release.manifest.row import ManifestRow, Verdict
from imagemake.release.metrics.reasons import DECIDED, failures_of, reason_code
from imagemake.release.metrics.success import failing_values, interval_95
from imagemake.store.ledger import Tally


class _Attempt(NamedTuple):
    image: bool
    tries: int
    cost_usd: float | None
    seconds: float | None
    unknown_calls: int
    unknown_worst_usd: float | None
    failures: Sequence[str]
    shared: bool = False
    gpu_seconds: float | None = None
    energy_wh: float | None = None


def metrics_of(
    entries: Iterable[ManifestRow], asked: Tally | None = None, rewrites: Tally | None = None
) -> dict[str, Any]:
    """Summarize a release.

    Costs, durations, and calls include all attempts, whenever they were made: the cost of the release, not of the run.

    Args:
        entries: One row per request.
        asked: Calls that asked models about images and prompts; None if nobody is asked.
        rewrites: Calls that asked for prompts.

    Returns:
        Counts by verdict, rates from 0 to 1, means, and failures by reason code, in a fixed order. Unknown values are
        None, such as a rate without requests. `released_share` is of all requests, `success_rate` of those that are
        decided: not of images that await review or were not made. `cost_usd_total` is the cost of images, judging, and
        rewriting. It and `mean_cost_usd_per_image` exclude the `cost_unknown` attempts, the `asked_cost_unknown` calls
        to models about images and prompts, and the `unknown_calls`, which got no answer and can have cost
        `unknown_worst_usd` in total. Watt-hours per image are kilowatt-hours per 1,000. `by_model` has the same metrics
        per model label. `success_rate_low` and `success_rate_high` are the ends of the 95% interval. `failing_values`
        lists values of variables that fail significantly more often.
    """
    entries = list(entries)
    by_model: dict[str, list[ManifestRow]] = {}
    for entry in entries:
        by_model.setdefault(entry.model_label or entry.model, []).append(entry)
    own = _of_entries(entries)
    return {
        **own,
        **_of_asked(own["cost_usd_images"], asked or Tally(), rewrites or Tally()),
        "failures_by_reason": _count_codes(entry.reasons for entry in entries if _failing(entry)),
        "failing_values": [one.as_dict() for one in failing_values(entries)],
        "by_model": {label: _of_entries(own) for label, own in sorted(by_model.items())},
    }


def _of_entries(entries: Sequence[ManifestRow]) -> dict[str, Any]:
    verdicts = Counter[Verdict](entry.verdict for entry in entries)
    at_once = [entry for entry in entries if entry.verdict == "accepted" and entry.attempts <= 1]
    decided = sum(verdicts[verdict] for verdict in DECIDED)
    low, high = interval_95(verdicts["accepted"], decided) if decided else (0.0, 1.0)
    with_image = [entry for entry in entries if entry.raw_digest is not None]
    return {
        "requests": len(entries),
        **{verdict: verdicts[verdict] for verdict in get_args(Verdict)},
        "released_share": _ratio(verdicts["accepted"], len(entries)),
        "success_rate": _ratio(verdicts["accepted"], decided),
        "success_rate_low": round(low, 4) if decided else None,
        "success_rate_high": round(high, 4) if decided else None,
        "first_attempt_success_rate": _ratio(len(at_once), decided),
        "attempts_mean": _mean([entry.attempts for entry in entries if entry.attempts], 3),
        "cached_share": _ratio(sum(entry.cached for entry in with_image), len(with_image)),
        **_of_attempts(list(chain.from_iterable(map(_attempts, entries)))),
    }


def _of_asked(images_usd: float | None, asked: Tally, rewrites: Tally) -> dict[str, Any]:
    judge_usd, rewrite_usd = (round(float(tally.billed_usd), 6) for tally in (asked, rewrites))
    return {
        "cost_usd_judge": judge_usd,
        "cost_usd_rewrite": rewrite_usd,
        "cost_usd_total": None if images_usd is None else round(images_usd + judge_usd + rewrite_usd, 6),
        "asked_cost_unknown": asked.cost_unknown + rewrites.cost_unknown,
    }


def write_metrics(metrics: dict[str, Any], path: Path) -> None:
    """Write the metrics as JSON, in their order."""
    write_whole(path, orjson.dumps(metrics, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _attempts(entry: ManifestRow) -> list[_Attempt]:
    attempts = [
        _Attempt(
            image=earlier["raw_digest"] is not None,
            tries=earlier.get("tries", 1),
            cost_usd=earlier.get("cost_usd"),
            seconds=earlier.get("seconds"),
            unknown_calls=earlier.get("unknown_calls", 0),
            unknown_worst_usd=earlier.get("unknown_worst_usd"),
            failures=failures_of(earlier),
            gpu_seconds=earlier.get("gpu_seconds"),
            energy_wh=earlier.get("energy_wh"),
        )
        for earlier in entry.history
    ]
    if entry.made:
        shown = _Attempt(
            image=entry.raw_digest is not None,
            tries=entry.tries,
            cost_usd=entry.cost_usd,
            seconds=entry.seconds,
            unknown_calls=entry.unknown_calls,
            unknown_worst_usd=entry.unknown_worst_usd,
            failures=entry.reasons if _failing(entry) else (),
            shared=entry.shared,
            gpu_seconds=entry.gpu_seconds,
            energy_wh=entry.energy_wh,
        )
        attempts.append(shown)
    return attempts


def _of_attempts(attempts: Sequence[_Attempt]) -> dict[str, Any]:
    known = [attempt for attempt in attempts if attempt.cost_usd is not None]
    images = [attempt for attempt in attempts if attempt.image]
    bought = [attempt for attempt in images if not attempt.shared]  # shared images have no cost
    unanswered = [attempt for attempt in attempts if attempt.unknown_calls]
    worst = [attempt.unknown_worst_usd for attempt in unanswered if attempt.unknown_worst_usd is not None]
    return {
        "calls": sum(attempt.tries for attempt in attempts),
        "mean_seconds_per_image": _mean([one.seconds for one in images if one.seconds is not None], 3),
        "mean_gpu_seconds_per_image": _mean([one.gpu_seconds for one in images if one.gpu_seconds is not None], 3),
        "kwh_per_1000_images": _mean([one.energy_wh for one in images if one.energy_wh is not None], 4),
        "cost_usd_images": round(sum(one.cost_usd or 0.0 for one in known), 6) if known or not attempts else None,
        "mean_cost_usd_per_image": _mean([one.cost_usd for one in bought if one.cost_usd is not None], 6),
        "shared": len(images) - len(bought),
        "cost_unknown": len(attempts) - len(known),
        "unknown_calls": sum(attempt.unknown_calls for attempt in unanswered),
        "unknown_worst_usd": round(sum(worst), 6) if len(worst) == len(unanswered) else None,
        "failed_attempts_by_reason": _count_codes(attempt.failures for attempt in attempts),
    }


def _failing(entry: ManifestRow) -> bool:
    return entry.verdict not in ("accepted", "pending")


def _count_codes(groups: Iterable[Sequence[str]]) -> dict[str, int]:
    counts = Counter(chain.from_iterable({reason_code(reason) for reason in reasons} for reasons in groups))
    return dict(sorted(counts.items()))


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _mean(values: Sequence[float], digits: int) -> float | None:
    return round(sum(values) / len(values), digits) if values else None
