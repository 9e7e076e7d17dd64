"""What a release was made of, so that one that is up to date is not written again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from imagemake.credentials.certificate import file_digest
from imagemake.files import write_whole
from imagemake.fingerprint import fingerprint
from imagemake.planning.earlier import digests
from imagemake.planning.plan import ALL, IMAGE, NOT_SHOWN, counts, file_name_of, release_digest
from imagemake.planning.reviews import REVIEWS
from imagemake.planning.state import OPEN, Stage, State
from imagemake.problems import UserError
from imagemake.release.credentials import Seal, seal_of
from imagemake.release.pictures import is_as_released

if TYPE_CHECKING:
    from imagemake.planning.order import Order
    from imagemake.store import Store

RESULTS = Path("results")
FILES = ("manifest.csv", "manifest.parquet", "metrics.json", "index.html", "review.csv")
RECORD = "release.json"
NOBODY: Mapping[str, str] = {}
RECORD_VERSION = 2  # raised when the same pictures, measures and campaign may stand otherwise


def folder_of(scope: str) -> Path:
    """Return the folder that a target's release is in."""
    return RESULTS if scope == ALL or scope.startswith(IMAGE) else RESULTS / scope


def is_current(order: Order, states: Sequence[State]) -> bool:
    """Say whether a target has nothing open and shows just what it would show if it were made now."""
    if order.scope.startswith(IMAGE):
        try:
            seal = seal_of(order.campaign) if order.campaign.c2pa else None
        except UserError:  # told before the file is made again
            return False
        return all(_is_there(order, state, seal) for state in states)
    folder = folder_of(order.scope)
    record = read_record(folder)
    if record.get("digest") != release_digest(states, order.campaign) or record.get("unsigned"):
        return False
    if record.get("certificate", "") != file_digest(order.campaign.c2pa):
        return False
    wanted = {file_name_of(order.campaign, state.request) for state in states if state.stage is Stage.DONE}
    return all((folder / name).exists() for name in FILES) and wanted == _names_in(folder / "images")


def known_counts(order: Order, store: Store, work: Path) -> Mapping[Stage, int] | None:
    """Look whether nothing at all has changed since a release that left nothing open.

    This needs no keys and no measures, so it is what makes "nothing to do" quick.

    Returns:
        How many requests stood where then, which is where they stand now; None where that must be worked out.
    """
    folder = folder_of(order.scope)
    record = {} if order.scope.startswith(IMAGE) else read_record(folder)
    if record.get("open") != 0 or record.get("unsigned") or record.get("seen") != _seen(order, store, work):
        return None
    if not order.files.hold(record.get("pictures", {})):
        return None
    if not all((folder / name).exists() for name in FILES) or record["images"] != _digest(_names_in(folder / "images")):
        return None
    return {Stage(stage): count for stage, count in record["counts"].items()}


def _seen(order: Order, store: Store, work: Path) -> str:
    """Return a digest of all that decides where requests stand: what is wanted, and the names of what there is."""
    tables = (_names_in(work / folder) for folder in ("validated", "finished"))
    pictures = ((held.file_name for held in shelf.all()) for shelf in (store.raw, store.finished))
    duplicates = order.campaign.validation.near_duplicates
    wanted = {
        "earlier": digests(duplicates.earlier) if duplicates else {},
        "record": RECORD_VERSION,
        "campaign": order.campaign.model_dump(mode="json", exclude=set(NOT_SHOWN)),
        "unknown": order.campaign.limits.unknown,
        "measures": [measure.identity for measure in order.campaign.validation.measures_needed()],
        "certificate": file_digest(order.campaign.c2pa),
        "rows": [[row.number, dict(row.values)] for row in order.rows],
        "reviews": REVIEWS.read_text(errors="replace") if REVIEWS.is_file() else "",
    }
    return fingerprint([fingerprint(wanted), *map(_digest, (*tables, *pictures))])


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


def read_record(folder: Path) -> Mapping[str, Any]:
    """Read what a release was made of; nothing where there is none."""
    try:
        record: Mapping[str, Any] = orjson.loads((folder / RECORD).read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return record


def write_record(
    order: Order, states: Sequence[State], store: Store, work: Path, unsigned: Mapping[str, str] = NOBODY
) -> None:
    """Write down what a release was made of, after all of its other files.

    Args:
        order: What was wanted.
        states: Where the requests stand.
        store: What there is.
        work: The folder of tables.
        unsigned: Why pictures have no content credentials that were to have some, by request; tried again next time.
    """
    folder = folder_of(order.scope)
    record = {
        "campaign": order.campaign.campaign,
        "digest": release_digest(states, order.campaign),
        "counts": {stage.value: count for stage, count in counts(states).items()},
        "open": sum(state.stage in OPEN for state in states),
        "images": _digest(_names_in(folder / "images")),
        "seen": _seen(order, store, work),
        "certificate": file_digest(order.campaign.c2pa),
        "unsigned": dict(unsigned),
        "pictures": {path: picture.digest for path, picture in order.files.by_path.items()},
    }
    write_whole(folder / RECORD, orjson.dumps(record, option=orjson.OPT_INDENT_2))


def _is_there(order: Order, state: State, seal: Seal | None) -> bool:
    path = RESULTS / "images" / file_name_of(order.campaign, state.request)
    if state.finished is None or not path.is_file():
        return False
    return is_as_released(path, state, order.campaign.metadata, seal)


def _names_in(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except FileNotFoundError:
        return set()
