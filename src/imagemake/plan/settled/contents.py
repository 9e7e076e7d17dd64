"""What is remembered of settled rows, and where: sections of bytes, and times of folders and tables."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import orjson

from imagemake.core.file_stamp import RACY_NS, stamp_of
from imagemake.plan.across import phash_of
from imagemake.plan.batches import SHOWN_BYTES, shown_of
from imagemake.plan.requests.names import folded
from imagemake.plan.requests.references import NOTHING
from imagemake.plan.settled.journal_index import JournalIndex
from imagemake.plan.settled.sections import section_of, short, short_hex
from imagemake.plan.state import Stage, State
from imagemake.store.layout import MEASURED_TABLES, settled_folder

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.requests.catalog import Row
    from imagemake.stages.validate.prints import Prints
    from imagemake.store.items import Measured
    from imagemake.store.store import Store

VERSION = 1
Stamps: TypeAlias = Mapping[str, int]
Tables: TypeAlias = Mapping[str, list[int]]
MOST_OPEN = 0.5  # share of rows that may need a look; above that, knowing the others gains little
DIGEST_BYTES, NUMBER_BYTES, PRINT_BYTES = 16, 8, 35
WIDTHS: Mapping[str, int] = {
    **dict.fromkeys(("places", "names", "keys", "digests", "raw", "finished_keys", "finished"), NUMBER_BYTES),
    "prints": PRINT_BYTES,
    "shown": SHOWN_BYTES,
}


def settled_file(work: Path) -> Path:
    """Return the file of the settled rows."""
    return settled_folder(work) / "rows.bin"


def journal_index(store: Store, work: Path) -> JournalIndex:
    """Return the index of a store's journal."""
    return JournalIndex(store.journal_folder, settled_folder(work) / "journal.bin")


def folder_stamps(store: Store, now_ns: int) -> dict[str, int]:
    """Return when the folders of images changed last; 0 if that was too recent for a further change to show.

    Args:
        store: The store.
        now_ns: The time, in nanoseconds of Unix time.
    """
    return {
        f"{one.folder.name}/{name}": mtime_ns if mtime_ns < now_ns - RACY_NS else 0
        for one in (store.raw, store.finished)
        for name, mtime_ns in one.folder_times().items()
    }


def table_stamps(work: Path, store: Store) -> dict[str, list[int]]:
    """Return size and time of each table that tells what was measured."""
    folders = [*(work / name for name in MEASURED_TABLES), store.measures_folder]
    paths = chain.from_iterable(sorted(folder.glob("*.jsonl")) for folder in folders)
    return {str(path): list(stamp)[:2] for path in paths if (stamp := stamp_of(path))}


def row_digests(rows: Iterable[Row]) -> bytes:
    """Return the digests of rows, with their numbers, one after the other."""
    blake = hashlib.blake2b
    return b"".join(
        blake(orjson.dumps([row.number, list(row.values.values())]), digest_size=DIGEST_BYTES).digest() for row in rows
    )


def is_settled(state: State) -> bool:
    """Return whether a request is done at its first attempt, by nothing that other requests or people decide."""
    request = state.request
    alone = request.attached == NOTHING and not request.routes and not request.recipe.model_files
    return state.stage is Stage.DONE and alone and not state.past and state.attempt == 0 and state.review is None


def sections_of(settled: Sequence[tuple[int, State]]) -> dict[str, bytes]:
    """Return what is remembered of settled requests: for each section, as many bytes of each as `WIDTHS` says."""
    states = [state for _, state in settled]
    prints = [bytes.fromhex("".join(found)) for state in states if (found := phash_of(state))]
    return {
        "places": section_of(place for place, _ in settled),
        "names": section_of(short(folded(one.request.name)) for one in states),
        "keys": section_of(short_hex(one.key) for one in states),
        "digests": section_of(short_hex(one.raw.digest) for one in states if one.raw),
        "raw": section_of(short(one.raw.file_name) for one in states if one.raw),
        "finished_keys": section_of(short_hex(one.finished.key) for one in states if one.finished),
        "finished": section_of(short(one.finished.file_name) for one in states if one.finished),
        "prints": b"".join(prints) if len(prints) == len(states) else b"",
        "shown": shown_of(states),
    }


def prints_in(measures: Iterable[Measured], campaign: Campaign) -> Prints:
    """Return what images are compared by, from their measured values; those without it are left out."""
    from imagemake.stages.validate.prints import Prints

    identity = next((one for one in campaign.validation.identities() if one.startswith("phash@")), "")
    found = (values.get(identity, {}) for values in measures)
    return Prints.from_digits([(str(one["hash"]), str(one["colors"])) for one in found if "hash" in one])


def raw_digests(states: Iterable[State]) -> set[str]:
    """Return the digests of all images that requests stand at or stood at."""
    raws = (raw for state in states for raw in (state.raw, *(past.raw for past in state.past)))
    return {raw.digest for raw in raws if raw is not None}
