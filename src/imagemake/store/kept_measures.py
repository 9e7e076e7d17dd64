"""Copies measured values from the many tables in ``work/`` to a few files in the store, which travel with it.

Without these files, a clone would have to measure every image again before it could see that all is up to date. Each
file holds only values that earlier files lack, and is named by its content, so files of different people never collide
and a damaged one shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from imagemake.config.fields import MAIN
from imagemake.core.files import write_whole
from imagemake.core.sealed import read_sealed, write_sealed
from imagemake.core.told_once import tell_once
from imagemake.store.layout import MEASURED_TABLES, kept_here_file
from imagemake.store.store import Store
from imagemake.store.tables import intact_rows

ID_DIGITS = 16
REMEDY = "Restore it from a backup, or delete it."

_Facts = dict[str, dict[str, Any]]  # by a raw image's digest, or by the key of a finished image that failed


def keep_measures(store: Store, work: Path) -> int:
    """Write values that the store lacks to a new file in the store.

    Returns:
        Number of images in the new file; if 0, no file was written.
    """
    known = _facts(kept_rows(store))
    tables = (path for stage in MEASURED_TABLES for path in sorted((work / stage).glob("*.jsonl")))
    rows = _new_rows(_facts(intact_rows(tables)), known)
    lines = [orjson.dumps(row, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE) for row in rows]
    if lines:
        content = b"".join(lines)
        name = hashlib.sha256(content).hexdigest()[:ID_DIGITS]
        write_whole(store.measures_folder / f"{name}.jsonl", content)
        write_sealed(kept_here_file(work), {"files": sorted({*kept_here(work), f"{name}.jsonl"})})
    return len(lines)


def kept_here(work: Path) -> frozenset[str]:
    """Return the names of files in the store that tell nothing but what the tables in this folder tell."""
    return frozenset((read_sealed(kept_here_file(work)) or {}).get("files", ()))


def kept_rows(store: Store) -> Iterator[dict[str, Any]]:
    """Yield the values that the store keeps, in the format of tables; warn of files that do not match their names."""
    for path in sorted(store.measures_folder.glob("*.jsonl")):
        try:
            content = path.read_bytes()
        except OSError:  # a folder, or a file that may not be read: as good as damaged
            content = b""
        if hashlib.sha256(content).hexdigest()[:ID_DIGITS] == path.stem:
            yield from map(orjson.loads, content.splitlines())
        else:
            tell_once(f"{path} is damaged and ignored; its images are measured again. {REMEDY}")


def _facts(rows: Iterable[dict[str, Any]]) -> _Facts:
    found: _Facts = {}
    for row in rows:
        further = row.get("further", {})
        if "raw" in row:
            facts = found.setdefault(row["raw"]["digest"], {"measures": {}, "outputs": set()})
            facts["measures"].update({one: _packed(values) for one, values in row.get("measures", {}).items()})
            facts["outputs"] |= {label for label, one in further.items() if "finished" in one}
            facts["outputs"] |= {MAIN} if "finished" in row else set()
        if "output_key" in row and "finished" not in row:
            found[row["output_key"]] = {"failure": row["failure"]}
        found |= {one["key"]: {"failure": one["failure"]} for one in further.values() if "failure" in one}
    return found


def _packed(values: Any) -> str:
    """Return values as JSON, because those of all images take four times the memory."""
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()  # orjson's own bytes leave gaps in memory


def _new_rows(found: _Facts, known: _Facts) -> Iterator[dict[str, Any]]:
    """Yield rows in the format of the tables, sorted, so that equal values give equal bytes."""
    for name, facts in sorted(found.items()):
        before = known.get(name, {})
        if "failure" in facts:
            if not before:
                yield {"output_key": name, **facts}
            continue
        lacking = sorted(facts["measures"].keys() - before.get("measures", {}).keys())
        measures = {one: orjson.Fragment(facts["measures"][one]) for one in lacking}
        outputs = facts["outputs"] - before.get("outputs", set())
        told: dict[str, Any] = {"measures": measures} if measures else {}
        if MAIN in outputs:
            told["finished"] = True
        if further := outputs - {MAIN}:
            told["further"] = {label: {"finished": True} for label in further}
        if told:
            yield {"raw": {"digest": name}, **told}
