"""Sidecars: one JSON file beside each released image with its row of the manifest, for programs that read no tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from imagemake.config.fields import MAIN
from imagemake.core.file_stamp import stamp_of
from imagemake.core.files import write_whole
from imagemake.core.fingerprint import fingerprint
from imagemake.release.manifest.chunks.chunk import Chunk
from imagemake.release.manifest.chunks.pieces import Pieces
from imagemake.release.manifest.row import COLUMNS, GROUPS, OF_OUTPUT, ManifestRow
from imagemake.release.manifest.schema import DIALECT, Schema, schema_bytes, schema_of

SIDECAR_VERSION = "1.0"  # raised like `imagemake.release.manifest.row.MANIFEST_VERSION`
SUFFIX = ".json"  # follows the image's own suffix, because two outputs can differ only in that
SCHEMA = "sidecar.schema.json"
_ID = f"urn:imagemake:sidecar:{SIDECAR_VERSION}"
_PROMPTS = {name for name, column in COLUMNS.items() if column.in_sidecar == "prompt"}


def write_sidecars(chunks: Iterable[Chunk], folder: Path, pieces: Pieces, *, with_prompt: bool) -> None:
    """Write the sidecar of every released file, and their schema. An unchanged sidecar keeps its time.

    Args:
        chunks: Rows without a file get no sidecar.
        folder: The release folder, which `ManifestRow.file` is relative to.
        pieces: Keeps which sidecars a chunk has.
        with_prompt: Whether sidecars contain prompts; otherwise only the manifest does.
    """
    _write_changed(folder / SCHEMA, schema_bytes(sidecar_schema()))
    for chunk in chunks:
        made_of = [chunk.digest, with_prompt]
        known = pieces.table("sidecars", made_of, list)
        if known == [] or known[1] != _stamps(folder, known[0]):
            names = [
                _write_sidecar(folder, facts)
                for row in chunk.rows()
                for facts in sidecars_of(row, with_prompt=with_prompt).values()
            ]
            pieces.put("sidecars", made_of, [names, _stamps(folder, names)])
        chunk.forget()


def _write_sidecar(folder: Path, facts: Mapping[str, Any]) -> str:
    name = f"{facts['file']}{SUFFIX}"
    _write_changed(folder / name, orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return name


def _stamps(folder: Path, names: Iterable[str]) -> str:
    """Return a digest of what the file system says of files."""
    start = f"{folder}/"  # no Path for each of many files
    return fingerprint([list(stamp_of(start + name) or ()) for name in names])


def files_of(row: ManifestRow, *, with_sidecar: bool) -> list[str]:
    """Return the names of a row's files in ``images/``."""
    files = [row.file, *(file.file for file in row.outputs.values())]
    names = [PurePosixPath(file).name for file in files if file is not None]
    return [*names, *(f"{name}{SUFFIX}" for name in names)] if with_sidecar else names


def sidecars_of(entry: ManifestRow, *, with_prompt: bool) -> dict[str, dict[str, Any]]:
    """Return the sidecar of each file of a request, by output; empty if none was released."""
    if entry.file is None:
        return {}
    facts = entry.facts()
    files = {MAIN: {name: facts[name] for name in OF_OUTPUT}}
    files |= {label: asdict(file) for label, file in entry.outputs.items()}
    shared = {name: facts[name] for name in COLUMNS if with_prompt or name not in _PROMPTS}
    shared |= {field: dict(sorted(facts[field].items())) for field in GROUPS}
    shared["history"] = [
        {name: value for name, value in sorted(past.items()) if with_prompt or name not in _PROMPTS}
        for past in entry.history
    ]
    return {label: {"$schema": _ID, "output": label, **shared, **file, "files": files} for label, file in files.items()}


def sidecar_schema() -> Schema:
    """Return the JSON schema of a sidecar."""
    columns = {name: schema_of(column) for name, column in COLUMNS.items()}
    file = {name: {**columns[name], "type": columns[name]["type"][0]} for name in OF_OUTPUT}
    scalar: Schema = {"type": ["string", "number", "boolean"]}
    properties: Schema = {
        "$schema": {"const": _ID},
        "output": {"type": "string", "description": "Label of this file's output; main for the main output."},
        **columns,
        **file,
        "verdict": {"const": "accepted", "description": "Only accepted images are released."},
        "history": {"type": "array", "items": {"type": "object"}, "description": "Earlier attempts, oldest first."},
        **{
            field: {"type": "object", "additionalProperties": scalar, "description": f"{group.meaning}."}
            for field, group in GROUPS.items()
        },
        "files": {
            "type": "object",
            "description": "All files of this image, by output.",
            "additionalProperties": _object(file),
        },
    }
    return {
        "$schema": DIALECT,
        "$id": _ID,
        "title": "The sidecar of a released image",
        "version": SIDECAR_VERSION,
        **_object(properties, optional=_PROMPTS),
    }


def _object(properties: Schema, optional: Iterable[str] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _write_changed(path: Path, data: bytes) -> None:
    try:
        is_unchanged = path.read_bytes() == data
    except FileNotFoundError:
        is_unchanged = False
    if not is_unchanged:
        write_whole(path, data)
