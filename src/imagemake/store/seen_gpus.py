"""What jobs last saw of their cards: a small file for each card, which the console and the monitor of the run read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from imagemake.core.files import write_whole
from imagemake.core.gpus import Card, Reading
from imagemake.store.layout import progress_folder

STALE_S = 10.0  # an older reading is of a job that ended


@dataclass(frozen=True, slots=True)
class SeenGpu:
    """A card and its last reading."""

    uuid: str
    name: str
    reading: Reading


def write_seen(work: Path, card: Card, reading: Reading) -> None:
    """Replace the file of a card."""
    content = {"uuid": card.uuid, "name": card.name, "at": time.time(), **asdict(reading)}
    with suppress(OSError):  # a job must not fail because nobody can see it work
        write_whole(_file(work, card.uuid), orjson.dumps(content, default=sorted))


def seen_gpus(work: Path) -> Iterator[SeenGpu]:
    """Yield the cards that running jobs compute on, on all machines that share the disk."""
    for path in sorted(_file(work, "*").parent.glob(_file(work, "*").name)):
        with suppress(OSError, ValueError, KeyError, TypeError):
            content = orjson.loads(path.read_bytes())
            if time.time() - content.pop("at") > STALE_S:
                continue
            uuid, name, slowed = content.pop("uuid"), content.pop("name"), frozenset(content.pop("slowed"))
            yield SeenGpu(uuid, name, Reading(**content, slowed=slowed))


def _file(work: Path, uuid: str) -> Path:
    return progress_folder(work) / f"gpu-{uuid}.json"
