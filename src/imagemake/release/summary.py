"""The summary at the end of a release: images, missing images and why, results, and a forecast of the full run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from imagemake.core.text import counted, duration_words
from imagemake.release.metrics.reasons import DECIDED
from imagemake.release.metrics.remedies import remedy_words
from imagemake.store.layout import RESULTS

MOST_VALUES = 3


def closing_words(
    metrics: Mapping[str, Any],
    folder: Path,
    n_sheets: int = 0,
    n_waiting: int = 0,
    exports: Sequence[str] = (),
    *,
    then: str = "build the whole campaign: snakemake",
) -> str:
    """Return the summary of a release: its images, what is missing and why, and what to do about it.

    Args:
        metrics: From `imagemake.release.metrics.metrics`, with the forecast after a smaller run.
        folder: The release folder.
        n_sheets: Number of sheets in it.
        n_waiting: Number of images that wait for others that they are made from.
        exports: Labels of its exports.
        then: What comes after a smaller run: a command, and what it does.
    """
    are = "image is" if metrics["requests"] == 1 else "images are"
    made = f"{metrics['accepted']:,} of {metrics['requests']:,} {are} in {folder}/images/"
    lines = [f"imagemake: {made}; see {folder}/index.html"]
    todo = {
        "review": f"awaiting review: run `imagemake review`, or copy rows of {folder}/review.csv to config/reviews.csv",
        "rejected": f"were rejected in every attempt{_most_often(metrics)}: see {folder}/review.csv; "
        "edit their prompts, or approve them",
        "refused": "were refused by the provider: edit their prompts, or add a patch for 'refused' to attempts.patches",
        "failed": "failed: run again to retry them",
        "pending": "were not made; see the manifest for the reasons",
    }
    lines += [f"  {metrics[verdict]:>7,} {words}" for verdict, words in todo.items() if metrics[verdict]]
    if n_waiting:
        lines.append(f"  {n_waiting:>9,} of these wait for images that they are made from")
    if n_sheets:
        lines.append(f"  {n_sheets:>7,} sheet{'' if n_sheets == 1 else 's'} in {folder}/sheets/")
    if exports:
        lines.append(f"  Exports: {', '.join(f'{folder}/exports/{label}/' for label in exports)}")
    forecast = metrics.get("forecast")
    return "\n".join(
        [
            *lines,
            *_came_to(metrics),
            *remedy_words(metrics.get("remedies", {})),
            *_cost(metrics),
            *_gpu(metrics),
            *_will_come_to(forecast),
            *_next(metrics, folder, then),
        ]
    )


def _most_often(metrics: Mapping[str, Any]) -> str:
    """Return the most frequent reason: if it is the size, for example, no other prompt helps."""
    if metrics["refused"] or metrics["failed"]:
        return ""  # their reasons are among those that were counted
    code, n = max(metrics["failures_by_reason"].items(), key=lambda one: one[1], default=("", 0))
    return f", most often for {code} ({n:,})" if n else ""


def _cost(metrics: Mapping[str, Any]) -> Iterator[str]:
    total_usd, accepted = metrics["cost_usd_total"], metrics["accepted"]
    if total_usd:
        each = f", ${total_usd / accepted:,.4f} per accepted image" if accepted else ""
        parts = {name: metrics[f"cost_usd_{name}"] for name in ("images", "judge", "rewrite")}
        named = ", ".join(f"{name} ${usd:,.2f}" for name, usd in parts.items() if usd)
        unknown = metrics["asked_cost_unknown"]
        more = f" The cost of {counted(unknown, 'more call')} to models is unknown." if unknown else ""
        yield f"  Cost ${total_usd:,.2f}{each}{f': {named}' if total_usd != parts['images'] else ''}.{more}"


def _gpu(metrics: Mapping[str, Any]) -> Iterator[str]:
    seconds, kwh = metrics["mean_gpu_seconds_per_image"], metrics["kwh_per_1000_images"]
    if seconds:
        energy = "" if kwh is None else f", {kwh:.3g} kWh per 1,000 images"
        yield f"  GPU: {seconds:.3g} s per image{energy}."


def _next(metrics: Mapping[str, Any], folder: Path, then: str) -> Iterator[str]:
    if metrics["review"]:
        yield "  Next: imagemake review"
    elif folder != RESULTS:
        yield f"  Next: look at {folder}/index.html, then {then}"


def unsigned_words(unsigned: Mapping[str, str]) -> Iterator[str]:
    """Yield lines about the images that could not be signed.

    Args:
        unsigned: The reasons, by file name.
    """
    if unsigned:
        yield f"  {len(unsigned):>7,} have NO content credentials because signing failed; run again to retry:"
        yield from (f"          {name}: {why}" for name, why in list(unsigned.items())[:MOST_VALUES])


def _came_to(metrics: Mapping[str, Any]) -> Iterator[str]:
    if metrics["success_rate"] is None:
        return
    interval = f"95% interval: {_percent(metrics['success_rate_low'])} to {_percent(metrics['success_rate_high'])}"
    yield f"  Success rate {_percent(metrics['success_rate'])} ({interval}) of {decided_words(metrics)}."
    for one in metrics["failing_values"][:MOST_VALUES]:
        reasons = ", ".join(f"{code} ({n:,})" for code, n in one["reasons"].items())
        rate = _percent(one["failures"] / one["requests"])
        value = one["value"] or "(empty)"
        yield f"  {one['variable']} {value}: {rate} of {one['requests']:,} failed at least once: {reasons}."


def decided_words(metrics: Mapping[str, Any]) -> str:
    """Return what a success rate is the share of: ``1 image; 7 more await review``."""
    decided = counted(sum(metrics[verdict] for verdict in DECIDED), "image")
    waiting = metrics["review"]
    return f"{decided}; {waiting:,} more await{'s' if waiting == 1 else ''} review" if waiting else decided


def _will_come_to(forecast: Mapping[str, Any] | None) -> Iterator[str]:
    if forecast is None or not forecast["to_make"]:
        return
    cost = "cost unknown" if forecast["cost_usd"] is None else f"about ${forecast['cost_usd']:,.2f}"
    time = "" if forecast["seconds"] is None else f", about {duration_words(forecast['seconds'])}"
    accepted = f"{forecast['accepted']:,} ({forecast['accepted_low']:,} to {forecast['accepted_high']:,})"
    yield f"  Full run: {forecast['to_make']:,} more images, {cost}{time}; expected to be accepted: {accepted}."


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f}".removesuffix(".0") + "%"
