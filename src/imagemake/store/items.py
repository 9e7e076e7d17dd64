"""Tables of items, one item per line. Each stage adds its results to an item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import orjson

from imagemake.config.fields import MAIN
from imagemake.core.recipe import Recipe
from imagemake.store.store import StoredFile
from imagemake.store.tables import read_rows, write_rows

Measured = Mapping[str, Mapping[str, Any]]  # by measure identity, then by quantity


class FailureReason(StrEnum):
    """Why an item stops."""

    REFUSED = "refused"
    FAILED = "failed"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"  # no answer
    BUDGET = "budget"  # left out, because it does not fit the budget
    STOPPED = "stopped"  # not started
    WAITING = "waiting"  # in a batch at the provider
    DAMAGED = "damaged"  # in the store
    POSTPROCESS = "postprocess"  # a step failed


# Reasons of images that this run did not request from a provider.
NOT_TRIED = (FailureReason.BUDGET, FailureReason.STOPPED, FailureReason.WAITING)


@dataclass(frozen=True, slots=True)
class ItemFailure:
    """Why an item stops.

    Attributes:
        reason: The kind of failure.
        message: A sentence for users.
    """

    reason: FailureReason
    message: str

    def as_dict(self) -> dict[str, str]:
        """Return plain data."""
        return {"reason": self.reason, "message": self.message}

    @classmethod
    def from_dict(cls, data: Mapping[str, str]) -> Self:
        """Create a failure from the data of `as_dict`."""
        return cls(FailureReason(data["reason"]), data["message"])

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


def of_output(label: str, failure: ItemFailure) -> ItemFailure:
    """Return the failure; its message names the output, unless it is the main one."""
    return failure if label == MAIN else ItemFailure(failure.reason, f"output {label}: {failure.message}")


@dataclass(frozen=True, slots=True)
class FurtherFile:
    """The result of an additional output of an image.

    Attributes:
        key: Key of the file.
        stored: The file, or None if postprocessing failed.
        failure: Why there is no file, or None.
    """

    key: str
    stored: StoredFile | None = None
    failure: ItemFailure | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, without absent values."""
        data: dict[str, Any] = {"key": self.key}
        if self.stored:
            data["finished"] = {"digest": self.stored.digest, "extension": self.stored.extension}
        if self.failure:
            data["failure"] = self.failure.as_dict()
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FurtherFile:
        """Create a result from the data of `as_dict`."""
        return cls(
            key=data["key"],
            stored=StoredFile(key=data["key"], **data["finished"]) if "finished" in data else None,
            failure=ItemFailure.from_dict(data["failure"]) if "failure" in data else None,
        )


@dataclass(frozen=True, slots=True)
class Item:
    """One attempt at a request, and what the stages have added to it so far.

    Attributes:
        name: Name of the request.
        attempt: Number of the attempt; 0 is the first.
        recipe: Recipe of the attempt.
        key: Key of the recipe.
        why: Why the image must be built, in the words of the plan.
        is_in_batch: Whether the image is already in a batch at the provider.
        can_wait: Whether it goes into a batch of the provider if its model has ``mode: auto``.
        hands_over: Whether the run goes on if the quota of its model is used up, because other models may make images.
        variables: Those values of the request, by column, that checks need: to compare the image with them, or to
            choose limits.
        raw: The image as the provider sent it, or None.
        measures: Measured values of the raw image.
        output_key: Key of the finished image, or None if postprocessing was not tried.
        finished: The finished image, or None.
        further: Results of additional outputs, by label.
        failure: Why the item stops, or None.
        model: Label of the model in more_models, or empty if the model is chosen by its own name.
        own_prompt: The request's own prompt, if questions are derived from it and this attempt has another one.
        questions: Questions that are asked in place of those derived from the prompt, as the user edited them.
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
    can_wait: bool = False
    hands_over: bool = False
    own_prompt: str = ""
    questions: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, without absent values."""
        data: dict[str, Any] = {
            "name": self.name,
            "attempt": self.attempt,
            "key": self.key,
            "why": self.why,
            "recipe": self.recipe.as_dict(),
        }
        for name in ("is_in_batch", "can_wait", "hands_over", "model", "variables", "own_prompt", "questions"):
            if value := getattr(self, name):
                data[name] = value
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
        """Create an item from the data of `as_dict`."""
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
            can_wait=data.get("can_wait", False),
            hands_over=data.get("hands_over", False),
            own_prompt=data.get("own_prompt", ""),
            questions=tuple(data.get("questions", ())),
        )


def read_table(path: Path) -> list[Item]:
    """Read the items of a batch file or of a stage's table.

    Raises:
        DamagedStateError: If the table is not as it was written.
    """
    return [Item.from_dict(row) for row in read_rows(path)]


def table_bytes(items: Iterable[Item]) -> bytes:
    """Return items as JSON Lines. Equal items give equal bytes."""
    option = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return b"".join(orjson.dumps(item.as_dict(), option=option) for item in items)


def write_table(path: Path, items: Iterable[Item]) -> None:
    """Write a stage's table atomically."""
    write_rows(path, table_bytes(items))
