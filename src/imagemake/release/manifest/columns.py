"""The manifest's columns: what each one holds, in which unit. Tables, schemas and documentation are made from this.

A column that is a group's, such as ``measure.tone.contrast``, comes from a mapping of the entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# The second number is raised when a column is added, the first when one goes or means something else.
MANIFEST_VERSION = "1.0"

Kind = Literal["text", "texts", "json", "whole", "number", "flag", "time"]
Verdict = Literal["accepted", "rejected", "review", "refused", "failed", "pending"]
DIGEST = "^[0-9a-f]{64}$"


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        kind: What it is in Parquet and, after reading, in pandas.
        meaning: What it holds, a sentence without its end.
        unit: Of a number.
        may_be_empty: Whether a row can have no value; lists are empty instead.
        pattern: What its text matches, as a regular expression; empty for any.
    """

    kind: Kind
    meaning: str
    unit: str = ""
    may_be_empty: bool = False
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that a release has as it needs them: ``variable.color`` and so on.

    Attributes:
        field: The entry's mapping that they come from.
        meaning: What each one holds.
    """

    field: str
    meaning: str


def _some(kind: Kind, meaning: str, unit: str = "", pattern: str = "") -> Column:
    return Column(kind, meaning, unit, may_be_empty=True, pattern=pattern)


COLUMNS: Mapping[str, Column] = {
    "name": Column("text", "The request's name, unique in a release"),
    "file": _some("text", "The released image, from the release folder; empty where there is none"),
    "verdict": Column(
        "text",
        "accepted, or why not: review (a person decides), rejected (in every attempt), refused (by the provider), "
        "failed (on the way), pending (not made by this run)",
    ),
    "reasons": Column("texts", "Why it is not accepted; what stands before the first colon is the reason's code"),
    "prompt": Column("text", "As it was sent for the shown attempt"),
    "negative_prompt": _some("text", "What the image must not show"),
    "provider": Column("text", "Registered name of the provider"),
    "model": Column("text", "Model name with its version"),
    "model_label": _some("text", "What the campaign calls it: a label of more_models, or the same name"),
    "seed": Column("whole", "Seed of the shown attempt"),
    "key": Column("text", "Key of the shown attempt: SHA-256 of its recipe", pattern=DIGEST),
    "attempt": Column("whole", "Number of the shown attempt, from 0"),
    "attempts": Column("whole", "How many attempts were made"),
    "catalog_row": Column("whole", "Row of the catalog, as a user counts it in the file"),
    "take": Column("whole", "Number of the take, from 1"),
    "references": Column("texts", "Paths of the reference images that were sent, in their order"),
    "reference_digests": Column("texts", "SHA-256 of each one's content"),
    "mask": _some("text", "Path of the mask that was sent"),
    "mask_digest": _some("text", "SHA-256 of its content"),
    "request_id": _some("text", "The provider's own name of the call"),
    "generated_at": _some("time", "When the raw image came, UTC"),
    "seconds": _some("number", "Duration of the call for the shown attempt", "s"),
    "cost_usd": _some("number", "Cost of the shown attempt, all its answered calls; empty where it is unknown", "USD"),
    "spent_usd": _some("number", "Cost of all attempts together; empty where that of one is unknown", "USD"),
    "unknown_calls": Column("whole", "Calls for it that nobody answered: each may have been billed beside that"),
    "unknown_worst_usd": _some("number", "What these can have cost at most; empty where nobody knows", "USD"),
    "width_px": _some("whole", "Width of the released image", "px"),
    "height_px": _some("whole", "Height of the released image", "px"),
    "bytes": _some("whole", "Size of the released file", "B"),
    "digest": _some("text", "SHA-256 of the released file", pattern=DIGEST),
    "finished_digest": _some("text", "SHA-256 of the same image in the store, without XMP", pattern=DIGEST),
    "raw_digest": _some("text", "SHA-256 of the shown attempt's raw image; empty where none came", pattern=DIGEST),
    "cached": Column("flag", "Whether the raw image was there before this run"),
    "tries": Column("whole", "Calls made for the shown attempt's key, ever"),
    "shared": Column("flag", "Whether the raw image came from the team's store, so that somebody else paid for it"),
    "history": _some("json", "Earlier attempts, oldest first: a list of objects"),
}
GROUPS: Mapping[str, Group] = {
    "variable": Group("variables", "What a placeholder stood for: a column of the catalog, or a variable"),
    "parameter": Group("parameters", "A parameter that was sent to the model"),
    "measure": Group("measures", "A quantity that was read from the raw image; docs/measures.md has the units"),
}
# Of a further output there are these, as ``output.web.file``; they mean what the columns of the main file mean.
OF_OUTPUT = ("file", "width_px", "height_px", "bytes", "digest", "finished_digest")


def output_column(label: str, name: str) -> str:
    """Return the column of a further output's file."""
    return f"output.{label}.{name}"
