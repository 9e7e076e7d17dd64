"""Metrics of a release, which `dvc metrics diff` compares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from imagemake.core.files import write_whole
from imagemake.release.manifest.row import ManifestRow
from imagemake.release.metrics.sums import Sums, failures_by_reason, numbers_of, total_of
from imagemake.store.ledger import Tally


def metrics_of(
    entries: Iterable[ManifestRow], asked: Tally | None = None, rewrites: Tally | None = None, made_at: str = ""
) -> dict[str, Any]:
    """Summarize the rows of a release; see `metrics_of_sums`."""
    entries = list(entries)
    sums = Sums.of(entries)
    return metrics_of_sums(sums, sums.cached(made_at, entries) or Counter(), asked, rewrites)


def metrics_of_sums(
    sums: Sums, cached: Mapping[str, int], asked: Tally | None = None, rewrites: Tally | None = None
) -> dict[str, Any]:
    """Summarize a release.

    Costs, durations, and calls include all attempts, whenever they were made: the cost of the release, not of the run.

    Args:
        sums: Sums over its rows.
        cached: How many images existed before the run, by model label.
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
    total = total_of(sums.by_model)
    own = numbers_of(total, sum(cached.values()))
    return {
        **own,
        **_of_asked(own["cost_usd_images"], asked or Tally(), rewrites or Tally()),
        "failures_by_reason": failures_by_reason(total),
        "failing_values": [one.as_dict() for one in sums.failing.values()],
        "by_model": {label: numbers_of(one, cached.get(label, 0)) for label, one in sorted(sums.by_model.items())},
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
