"""What one job handles: tables in JSON Lines, one item a line; an item grows as it goes from stage to stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from imagemake.config.fields import MAIN
from imagemake.core.files import write_whole
from imagemake.core.recipe import Recipe
from imagemake.core.worded_enum import WordedEnum
from imagemake.store.store import StoredFile

Measured = Mapping[str, Mapping[str, Any]]  # by measure identity, then by quantity


class FailureReason(WordedEnum):
    """Why an item goes no further, as it stands in tables; the words are those of a job's progress."""

    REFUSED = "refused", "refused"
    FAILED = "failed", "failed"
    UNREADABLE = "unreadable", "unreadable"
    UNKNOWN = "unknown", "without an answer"
    BUDGET = "budget", "over budget"
    STOPPED = "stopped", "not started"
    WAITING = "waiting", "waiting in a batch"
    DAMAGED = "damaged", "damaged in the store"
    POSTPROCESS = "postprocess", "not postprocessed"


# Of images that this run requested from no provider.
NOT_TRIED = (FailureReason.BUDGET, FailureReason.STOPPED, FailureReason.WAITING)


@dataclass(frozen=True, slots=True)
class ItemFailure:
    """Why an item goes no further.

    Attributes:
        reason: What kind of failure it is.
        message: A sentence for people.
    """

    reason: FailureReason
    message: str

    def as_dict(self) -> dict[str, str]:
        """Return plain data."""
        return {"reason": self.reason, "message": self.message}

    @classmethod
    def from_dict(cls, data: Mapping[str, str]) -> Self:
        """Read back what `as_dict` wrote."""
        return cls(FailureReason(data["reason"]), data["message"])

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


def of_output(label: str, failure: ItemFailure) -> ItemFailure:
    """Say which output a failure is about, where it is not the main one."""
    return failure if label == MAIN else ItemFailure(failure.reason, f"output {label}: {failure.message}")


@dataclass(frozen=True, slots=True)
class FurtherFile:
    """What became of a further output of an image.

    Attributes:
        key: What its file is found by.
        stored: The file; None where it could not be made.
        failure: Why there is none.
    """

    key: str
    stored: StoredFile | None = None
    failure: ItemFailure | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data; what is absent is left out."""
        data: dict[str, Any] = {"key": self.key}
        if self.stored:
            data["finished"] = {"digest": self.stored.digest, "extension": self.stored.extension}
        if self.failure:
            data["failure"] = self.failure.as_dict()
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FurtherFile:
        """Read back what `as_dict` wrote."""
        return cls(
            key=data["key"],
            stored=StoredFile(key=data["key"], **data["finished"]) if "finished" in data else None,
            failure=ItemFailure.from_dict(data["failure"]) if "failure" in data else None,
        )


@dataclass(frozen=True, slots=True)
class Item:
    """One attempt at a request, on its way through the stages.

    Attributes:
        name: The request's.
        attempt: 0 for the first.
        recipe: This attempt's.
        key: The recipe's.
        why: Why something must be done, in the words of the plan.
        is_in_batch: Whether it already waits in a batch of the provider.
        variables: The request's values by column, as far as a check compares the image with them or has other ranges
            for them.
        raw: The image as the provider sent it.
        measures: What was read from it.
        output_key: What its finished image is found by, once postprocessing was tried.
        finished: The finished image.
        further: The same image in further outputs, by their labels.
        failure: Why there is no more than this.
        model: Who makes it, as the user names it: a label of more_models; empty for a model by its own name.
    """

    name: str
    attempt: int
    recipe: Recipe
    key: str
    why: str
    variables: Mapping[str, str] = field(default_factory=dict)
    raw: StoredFile | None = None
    measures: Measured = field(default_factory=dict)
    output_key: str | None = None
    finished: StoredFile | None = None
    failure: ItemFailure | None = None
    model: str = ""
    further: Mapping[str, FurtherFile] = field(default_factory=dict)
    is_in_batch: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return plain data; what is absent is left out."""
        data: dict[str, Any] = {
            "name": self.name,
            "attempt": self.attempt,
            "key": self.key,
            "why": self.why,
            "recipe": self.recipe.as_dict(),
        }
        if self.is_in_batch:
            data["is_in_batch"] = True
        if self.model:
            data["model"] = self.model
        if self.variables:
            data["variables"] = self.variables
        if self.raw:
            data["raw"] = {"digest": self.raw.digest, "extension": self.raw.extension}
        if self.measures:
            data["measures"] = self.measures
        if self.output_key:
            data["output_key"] = self.output_key
        if self.finished:
            data["finished"] = {"digest": self.finished.digest, "extension": self.finished.extension}
        if self.further:
            data["further"] = {label: one.as_dict() for label, one in self.further.items()}
        if self.failure:
            data["failure"] = self.failure.as_dict()
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Item:
        """Read back what `as_dict` wrote."""
        return cls(
            name=data["name"],
            attempt=data["attempt"],
            recipe=Recipe.from_dict(data["recipe"]),
            key=data["key"],
            why=data["why"],
            variables=data.get("variables", {}),
            raw=StoredFile(key=data["key"], **data["raw"]) if "raw" in data else None,
            measures=data.get("measures", {}),
            output_key=data.get("output_key"),
            finished=StoredFile(key=data["output_key"], **data["finished"]) if "finished" in data else None,
            failure=ItemFailure.from_dict(data["failure"]) if "failure" in data else None,
            model=data.get("model", ""),
            further={label: FurtherFile.from_dict(one) for label, one in data.get("further", {}).items()},
            is_in_batch=data.get("is_in_batch", False),
        )


def read_table(path: Path) -> list[Item]:
    """Read a batch or a stage's table."""
    return [Item.from_dict(row) for row in read_rows(path)]


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read a table's rows as plain data, for those who need few of their fields."""
    return (orjson.loads(line) for line in path.read_bytes().splitlines() if line)


def table_bytes(items: Iterable[Item]) -> bytes:
    """Write items as JSON Lines; equal items give equal bytes."""
    option = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return b"".join(orjson.dumps(item.as_dict(), option=option) for item in items)


def write_table(path: Path, items: Iterable[Item]) -> None:
    """Write a stage's table whole."""
    write_whole(path, table_bytes(items))
