"""How a field of the row model describes its column, and how the columns are read from the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

Kind = Literal["text", "texts", "json", "whole", "number", "flag", "time"]
DIGEST = "^[0-9a-f]{64}$"
OUTPUT = "output."  # begins the columns of additional outputs
_KINDS: Mapping[Any, Kind] = {int: "whole", float: "number", bool: "flag", tuple[str, ...]: "texts"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column. A field of the model gives what its type does not say; `columns_of` adds the rest.

    Attributes:
        meaning: What it contains: a sentence without a period.
        unit: Unit of a number.
        pattern: Regular expression that its text matches; empty for any text.
        kind: Type in Parquet and in pandas. Only "time" and "json" must be given.
        may_be_empty: Whether a row can have no value. Lists are empty instead.
        values: The only values that it can have; empty for any value.
        in_sidecar: Whether sidecars repeat it; "prompt" means only sidecars that may contain prompts.
    """

    meaning: str
    unit: str = ""
    pattern: str = ""
    kind: Kind = "text"
    may_be_empty: bool = False
    values: tuple[str, ...] = ()
    in_sidecar: Literal["yes", "prompt"] = "yes"


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that depend on the release, such as ``variable.color``; the field is a mapping.

    Attributes:
        prefix: First part of each column's name.
        meaning: What each column contains.
    """

    prefix: str
    meaning: str


def columns_of(model: type) -> dict[str, Column]:
    """Return the columns that the fields of a model describe, by name, in their order."""
    return {name: _typed(hint, about) for name, hint, about in _described(model) if isinstance(about, Column)}


def groups_of(model: type) -> dict[str, Group]:
    """Return the groups of columns that the fields of a model describe, by the field's name."""
    return {name: about for name, _, about in _described(model) if isinstance(about, Group)}


def output_column(label: str, name: str) -> str:
    """Return the name of a column of an additional output."""
    return f"{OUTPUT}{label}.{name}"


def output_labels(columns: Iterable[str]) -> list[str]:
    """Return the labels of the additional outputs that have columns."""
    names = (column.split(".") for column in columns if column.startswith(OUTPUT))
    return [label for _, label, name in names if name == "file"]


def _described(model: type) -> Iterator[tuple[str, Any, Any]]:
    for name, hint in get_type_hints(model, include_extras=True).items():
        for about in getattr(hint, "__metadata__", ()):  # of Annotated
            yield name, get_args(hint)[0], about


def _typed(hint: Any, column: Column) -> Column:
    may_be_empty = NoneType in get_args(hint)
    if may_be_empty:
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    values = get_args(hint) if get_origin(hint) is Literal else ()
    kind = _KINDS.get(hint, column.kind)
    return replace(column, kind=kind, may_be_empty=may_be_empty or kind == "json", values=values)
