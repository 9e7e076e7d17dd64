"""The audit of a release: who approved each image, where it came from, what it cost, and which checks it passed.

All facts come from the release itself: its record, its manifest, and the reviews and journal as they were at that
time. Later decisions and calls are not included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from imagemake.config.checks import Check, Checks, in_words, limits_of
from imagemake.core.problems import Problem, UserError
from imagemake.plan.reviews import Decisions, Review, read_rows
from imagemake.release.manifest.reading import Row, columns_in, rows_of
from imagemake.store.journal import Call, calls_of
from imagemake.store.journal_lines import DamagedLine, tell_damaged
from imagemake.store.layout import RELEASES, STORE
from imagemake.store.ledger import Tally, listed
from imagemake.store.store import Store
from imagemake.versions.records import (
    MANIFEST_FILE,
    RECORD_FILE,
    REVIEWS_FILE,
    BadRecordError,
    Record,
    in_order,
    names_in,
    read_record_file,
)

CHECKS = "checks"  # approver of images that nobody reviewed
COLUMNS = (
    "release",
    "name",
    "verdict",
    "file",
    "digest",
    "approved_by",
    "approved_at",
    "note",
    "reasons",
    "catalog_row",
    "prompt",
    "negative_prompt",
    "provider",
    "model",
    "seed",
    "parameters",
    "references",
    "key",
    "raw_digest",
    "calls",
    "cost_usd",
    "checks",
)


@dataclass(frozen=True, slots=True)
class _Release:
    record: Record
    manifest: Path
    reviews: Decisions
    calls: Mapping[str, list[Call]]
    checks: Checks


def audit_rows(root: Path, name: str | None) -> Iterator[dict[str, Any]]:
    """Yield one row per request; ``file`` is empty if it has no released image.

    Args:
        root: The project's folder.
        name: Name of the release; None for the latest one.

    Yields:
        Values by `COLUMNS`. ``calls`` and ``checks`` are lists, ``parameters`` is a mapping, and None means unknown.

    Raises:
        UserError: If the release does not exist, or a part of it is missing.
    """
    release = _read(root, name)
    groups = _Groups(columns_in(release.manifest))
    for row in rows_of(release.manifest):
        yield _row(row, release, groups)


def _read(root: Path, name: str | None) -> _Release:
    names = names_in(root / RELEASES)
    if not names:
        raise UserError(Problem(str(RELEASES), "no release exists yet.", "Create one: imagemake release NAME"))
    try:
        kept = {one: read_record_file(root / RELEASES / one / RECORD_FILE) for one in names}
    except BadRecordError as error:
        remedy = "To find it, run `imagemake verify --releases`. To restore it, use git."
        raise UserError(Problem(str(RELEASES), f"a record is invalid: {error}", remedy)) from None
    name = name or in_order(kept)[-1]
    if name not in kept:
        raise UserError(Problem(name, "unknown release.", f"Known releases are {', '.join(names)}."))
    folder, record = root / RELEASES / name, kept[name].record
    if not (folder / MANIFEST_FILE).is_file():
        raise UserError(Problem(str(folder / MANIFEST_FILE), "the manifest is missing.", "Fetch it: dvc pull releases"))
    reviews = Decisions(read_rows(folder / REVIEWS_FILE))
    checks = Checks({quantity: Check.model_validate(plain) for quantity, plain in record.checks.items()})
    return _Release(record, folder / MANIFEST_FILE, reviews, _calls(root, record), checks)


def _calls(root: Path, record: Record) -> Mapping[str, list[Call]]:
    journal, found = Store(root / STORE).journal_folder, dict[str, list[Call]]()
    missing = [path for path in record.journal if not (journal / path).is_file()]
    if missing:
        what = f"{len(missing):,} of {len(record.journal):,} files that the release recorded are missing."
        remedy = "Fetch them with `dvc pull store`, or run `imagemake verify --releases`."
        raise UserError(Problem(str(journal), what, remedy))
    damaged: list[DamagedLine] = []
    for path, prefix in record.journal.items():
        for call in calls_of(journal / path, prefix.bytes, damaged):
            recipe = {"model": call.sent["recipe"]["model"]}  # all that is shown: whole recipes take much memory
            slim = replace(call, sent={**call.sent, "recipe": recipe})
            found.setdefault(call.sent["key"], []).append(slim)
    tell_damaged(damaged)
    return found


def _row(row: Row, release: _Release, groups: _Groups) -> dict[str, Any]:
    review = release.reviews.get(row["key"])
    is_approved = review is not None and review.decision == "approve"
    history = orjson.loads(row["history"]) if row["history"] else []
    calls = [call for key in (*(one["key"] for one in history), row["key"]) for call in release.calls.get(key, ())]
    found = {
        **row,
        "release": release.record.release,
        "approved_by": _who(row, review if is_approved else None),
        "approved_at": review.time if review and is_approved else None,
        "note": review.note if review else None,
        "parameters": groups.of("parameter", row),
        "references": row["reference_digests"],
        "calls": [call_facts(call) for call in calls],
        "cost_usd": cost_of(calls),
        "checks": list(_checked(release.checks, row, groups)),
    }
    return {column: found[column] for column in COLUMNS}


class _Groups:
    """The columns that depend on the release, such as ``variable.color``."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._columns: dict[str, list[tuple[str, str]]] = {}
        for column in columns:
            group, _, name = column.partition(".")
            self._columns.setdefault(group, []).append((name, column))

    def of(self, group: str, row: Row) -> dict[str, Any]:
        """Return a row's values in a group's columns."""
        found = ((name, row[column]) for name, column in self._columns.get(group, ()))
        return {name: value for name, value in found if value is not None}


def _who(row: Row, approval: Review | None) -> str | None:
    if approval is not None:
        return approval.reviewer or "unnamed reviewer"
    return CHECKS if row["file"] else None


def call_facts(call: Call) -> dict[str, Any]:
    """Return the facts about a call that an audit lists."""
    facts = listed(call)
    cost = facts["cost_usd"]
    names = ("at", "attempt", "outcome", "request_id")
    origin = (call.closed or {}).get("origin")  # for an image from the team store: who paid, and how much
    of_team = {} if origin is None else {"origin": origin}
    return {**{name: facts[name] for name in names}, "cost_usd": None if cost is None else float(cost), **of_team}


def cost_of(calls: Iterable[Call]) -> float | None:
    """Return what calls cost in USD, or None if that is unknown. Images from the team store cost nothing."""
    tally = Tally()
    for call in calls:
        tally.add(call)
    if tally.shared and not tally.calls:
        return 0.0
    return None if tally.cost_unknown or not tally.calls else float(tally.billed_usd)


def _checked(checks: Checks, row: Row, groups: _Groups) -> Iterator[str]:
    """Yield one text per check: its value, and the limits that applied to this image."""
    measures = groups.of("measure", row)
    for quantity, check in sorted(
        checks.of(groups.of("variable", row), row.get("model_label") or row["model"]).items()
    ):
        value = measures.get(quantity)
        shown = "not measured" if value is None else in_words(quantity, value)
        limits = [
            f"{keys[-1]} {sign} {in_words(quantity, end)}"
            for keys, limit in limits_of(check)
            if len(keys) == 1  # longer keys are overrides for other images
            for sign, end in (("<", limit.min), (">", limit.max))
            if end is not None
        ]
        yield f"{quantity} = {shown} ({', '.join(limits) or 'no limit'}{check.of_whom})"
