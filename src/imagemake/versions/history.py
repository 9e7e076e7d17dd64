"""The history of releases, from their records: a changelog, and a table for `dvc plots`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from imagemake.core.text import counted
from imagemake.release.summary import decided_words
from imagemake.versions.records import Record, StoredRecord

CHANGES_FILE, HISTORY_FILE = "CHANGES.md", "history.csv"
COLUMNS = {
    "success_rate": "success_rate",
    "first_attempt_success_rate": "first_attempt_success_rate",
    "cost_usd_total": "cost_usd",
    "mean_cost_usd_per_image": "cost_usd_per_image",
    "mean_seconds_per_image": "seconds_per_image",
}
FAILED = ("rejected", "refused", "failed")


def changes_of(records: Mapping[str, StoredRecord]) -> bytes:
    """Return the changelog, newest release first.

    Args:
        records: Records by name, oldest first.
    """
    entries = [_entry(kept.record) for kept in reversed(list(records.values()))]
    return "\n".join(["# Releases\n", *entries]).encode()


def history_of(records: Mapping[str, StoredRecord]) -> bytes:
    """Return the table, one row per release, oldest first."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    counts = ("requests", "accepted")
    changes = ("new", "changed", "removed")
    writer.writerow(
        ["release", "date", *counts, "awaiting_review", "failures", *COLUMNS.values(), *changes, "spent_since_usd"]
    )
    for kept in records.values():
        record, metrics = kept.record, kept.record.metrics
        writer.writerow(
            [
                record.release,
                record.at[:10],
                *(metrics[name] for name in counts),
                metrics["review"],
                failures(metrics),
                *(metrics[name] for name in COLUMNS),
                *(getattr(record.changes, name) for name in changes),
                record.spent_since_usd,
            ]
        )
    return text.getvalue().encode()


def failures(metrics: Mapping[str, Any]) -> int:
    """Return the number of requests that failed in every attempt."""
    return sum(int(metrics[name]) for name in FAILED)


def in_words(record: Record) -> str:
    """Return a summary of a release in one line."""
    changes = record.changes
    parts = [f"{changes.new:,} new", f"{changes.changed:,} changed", f"{changes.removed:,} removed"]
    if changes.metadata:
        parts.append(f"{changes.metadata:,} with changed metadata only")
    metrics = record.metrics
    made = f"{counted(metrics['accepted'], 'image')}: {', '.join(parts)}"
    lacking = {"awaiting review": metrics["review"], "failed": failures(metrics)}
    told = " and ".join(f"{n:,} {words}" for words, n in lacking.items() if n)
    return f"{made}; {told} of {counted(metrics['requests'], 'request')}" if told else made


def cost_in_words(record: Record) -> str:
    """Return a summary of what a release cost."""
    since = f"${Decimal(record.spent_since_usd):,.2f} since the previous release"
    unknown = f", plus {record.cost_unknown:,} calls of unknown cost" if record.cost_unknown else ""
    total = record.metrics["cost_usd_total"]
    whole = "unknown" if total is None else f"${total:,.2f}"
    return f"{since}{unknown}; all images of this release: {whole}"


def _entry(record: Record) -> str:
    before = ", ".join(previous.release for previous in record.previous)
    lines = [f"## {record.release} ({record.at[:10]})\n"]
    if record.note:
        lines.append(f"{record.note}\n")
    lines.append(f"- {in_words(record)}{f' (since {before})' if before else ''}.")
    lines.append(f"- Cost: {cost_in_words(record)}.")
    rate = record.metrics["success_rate"]
    if rate is not None:
        lines.append(f"- Success rate {100 * rate:.1f} % of {decided_words(record.metrics)}.")
    return "\n".join(lines) + "\n"
