"""For every image of a release: who approved it, where it came from, what it cost, and what it was checked by.

All of it is read from what belongs to the release: its record, its manifest, the reviews as they were then, and the
journal as far as it was written then. What was decided or bought later is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from imagemake.config.checks import Check, Checks, in_words, limits_of
from imagemake.core.problems import Problem, UserError
from imagemake.plan.reviews import Decisions, Review, read_rows
from imagemake.store.journal import Call, calls_of
from imagemake.store.ledger import Tally, listed
from imagemake.versions import changes
from imagemake.versions.records import (
    MANIFEST_FILE,
    RECORD_FILE,
    RELEASES,
    REVIEWS_FILE,
    BadRecordError,
    Record,
    in_order,
    names_in,
    read_record_file,
)

CHECKS = "checks"  # who approved what nobody looked at
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
    rows: list[changes.Row]
    reviews: Decisions
    calls: Mapping[str, list[Call]]
    checks: Checks


def audit_rows(root: Path, name: str | None, *, everything: bool) -> Iterator[dict[str, Any]]:
    """Yield a row per image.

    Args:
        root: The project's folder.
        name: Of the release; None for the last one.
        everything: Whether to tell requests without a released image too.

    Returns:
        Values by `COLUMNS`; ``calls`` and ``checks`` are lists, ``parameters`` a mapping, None is not known.

    Raises:
        UserError: If there is no such release, or a part of it is not here.
    """
    release = _read(root, name)
    for row in release.rows:
        if row["file"] or everything:
            yield _row(row, release)


def _read(root: Path, name: str | None) -> _Release:
    names = names_in(root / RELEASES)
    if not names:
        raise UserError(Problem(str(RELEASES), "there is no release.", "Make one: imagemake release NAME"))
    try:
        kept = {one: read_record_file(root / RELEASES / one / RECORD_FILE) for one in names}
    except BadRecordError as error:
        remedy = "`imagemake verify --releases` tells which; git has it as it was."
        raise UserError(Problem(str(RELEASES), f"a record cannot be read: {error}", remedy)) from None
    name = name or in_order(kept)[-1]
    if name not in kept:
        raise UserError(Problem(name, "there is no such release.", f"There are: {', '.join(names)}."))
    folder, record = root / RELEASES / name, kept[name].record
    if not (folder / MANIFEST_FILE).is_file():
        raise UserError(Problem(str(folder / MANIFEST_FILE), "it is not here.", "Fetch it: dvc pull releases"))
    rows = changes.read_rows(folder / MANIFEST_FILE, None)
    reviews = Decisions(read_rows(folder / REVIEWS_FILE))
    checks = Checks({quantity: Check.model_validate(plain) for quantity, plain in record.checks.items()})
    return _Release(record, rows, reviews, _calls(root, record), checks)


def _calls(root: Path, record: Record) -> Mapping[str, list[Call]]:
    journal, found = root / "store" / "journal", dict[str, list[Call]]()
    missing = [path for path in record.journal if not (journal / path).is_file()]
    if missing:
        what = f"{len(missing):,} of {len(record.journal):,} files that the release recorded are not here."
        raise UserError(
            Problem(str(journal), what, "Fetch them: dvc pull store; or see `imagemake verify --releases`.")
        )
    for path, prefix in record.journal.items():
        for call in calls_of(journal / path, prefix.bytes):
            found.setdefault(call.sent["key"], []).append(call)
    return found


def _row(row: changes.Row, release: _Release) -> dict[str, Any]:
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
        "parameters": _group("parameter", row),
        "references": row["reference_digests"],
        "calls": [_told(call) for call in calls],
        "cost_usd": _cost(calls),
        "checks": list(_checked(release.checks, row)),
    }
    return {column: found[column] for column in COLUMNS}


def _group(name: str, row: changes.Row) -> dict[str, Any]:
    of_group = ((column, value) for column, value in row.items() if column.startswith(f"{name}."))
    return {column.removeprefix(f"{name}."): value for column, value in of_group if value is not None}


def _who(row: changes.Row, approval: Review | None) -> str | None:
    if approval is not None:
        return approval.reviewer or "nobody named"
    return CHECKS if row["file"] else None


def _told(call: Call) -> dict[str, Any]:
    told = listed(call)
    cost = told["cost_usd"]
    names = ("at", "attempt", "outcome", "request_id")
    origin = (call.closed or {}).get("origin")  # of an image from the team's store: who paid, and how much
    of_team = {} if origin is None else {"origin": origin}
    return {**{name: told[name] for name in names}, "cost_usd": None if cost is None else float(cost), **of_team}


def _cost(calls: Iterable[Call]) -> float | None:
    tally = Tally()
    for call in calls:
        tally.add(call)
    if tally.shared and not tally.calls:
        return 0.0
    return None if tally.cost_unknown or not tally.calls else float(tally.billed_usd)


def _checked(checks: Checks, row: changes.Row) -> Iterator[str]:
    """Yield in words what each check found, and the limits that held for this image."""
    measures = _group("measure", row)
    for quantity, check in sorted(checks.of(_group("variable", row), row.get("model_label") or row["model"]).items()):
        value = measures.get(quantity)
        told = "not read" if value is None else in_words(quantity, value)
        limits = [
            f"{keys[-1]} {sign} {in_words(quantity, end)}"
            for keys, limit in limits_of(check)
            if len(keys) == 1  # the others are for other images
            for sign, end in (("<", limit.min), (">", limit.max))
            if end is not None
        ]
        yield f"{quantity} = {told} ({', '.join(limits) or 'no limit'}{check.of_whom})"
