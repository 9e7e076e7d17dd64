"""What a release was made of, so that one that is up to date is not written again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from imagemake.files import write_whole
from imagemake.planning.plan import ALL, IMAGE, file_name_of, release_digest
from imagemake.planning.settle import Stage, State

if TYPE_CHECKING:
    from imagemake.planning.order import Order

RESULTS = Path("results")
FILES = ("manifest.csv", "manifest.parquet", "metrics.json", "index.html", "review.csv")
RECORD = "release.json"


def folder_of(scope: str) -> Path:
    """Return the folder that a target's release is in."""
    return RESULTS if scope == ALL or scope.startswith(IMAGE) else RESULTS / scope


def is_current(order: Order, states: Sequence[State]) -> bool:
    """Say whether a target has nothing open and shows just what it would show if it were made now."""
    if order.scope.startswith(IMAGE):
        return all(_is_there(order, state) for state in states)
    folder = folder_of(order.scope)
    record = read_record(folder)
    if record.get("digest") != release_digest(states, order.campaign):
        return False
    wanted = {file_name_of(order.campaign, state.request) for state in states if state.stage is Stage.DONE}
    return all((folder / name).exists() for name in FILES) and wanted == _names_in(folder / "images")


def read_record(folder: Path) -> Mapping[str, Any]:
    """Read what a release was made of; nothing where there is none."""
    try:
        record: Mapping[str, Any] = orjson.loads((folder / RECORD).read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return record


def write_record(order: Order, states: Sequence[State]) -> None:
    """Write down what a release was made of, after all of its other files."""
    record = {"campaign": order.campaign.campaign, "digest": release_digest(states, order.campaign)}
    write_whole(folder_of(order.scope) / RECORD, orjson.dumps(record, option=orjson.OPT_INDENT_2))


def _is_there(order: Order, state: State) -> bool:
    path = RESULTS / "images" / file_name_of(order.campaign, state.request)
    if state.finished is None or not path.is_file():
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest() == state.finished.digest


def _names_in(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except FileNotFoundError:
        return set()
