"""One JSON beside each released image: its entry of the manifest, for programs that see files and no tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from imagemake.config.fields import MAIN
from imagemake.core.files import write_whole
from imagemake.release.manifest.columns import COLUMNS, GROUPS, OF_OUTPUT
from imagemake.release.manifest.schema import DIALECT, Schema, of_column, schema_bytes

if TYPE_CHECKING:
    from imagemake.release.manifest.tables import Entry

SIDECAR_VERSION = "1.0"  # as `imagemake.release.manifest.columns.MANIFEST_VERSION`
SUFFIX = ".json"  # after the image's own: two outputs of one name differ in that
SCHEMA = "sidecar.schema.json"
_ID = f"urn:imagemake:sidecar:{SIDECAR_VERSION}"
_OF_THE_RUN = ("cached",)  # differs from run to run where nothing changed
_PROMPTS = ("prompt", "negative_prompt")
_GROUPS = [group.field for group in GROUPS.values()]


def write_sidecars(entries: Iterable[Entry], folder: Path, *, with_prompt: bool) -> None:
    """Write the JSON of every released file, and their schema; a file that is right already keeps its time.

    Args:
        entries: Those without a file have no JSON.
        folder: The release folder, in which `Entry.file` is.
        with_prompt: Whether prompts are told; else they stay in the manifest.
    """
    _write_changed(folder / SCHEMA, schema_bytes(sidecar_schema()))
    for entry in entries:
        for facts in sidecars_of(entry, with_prompt=with_prompt).values():
            path = folder / f"{facts['file']}{SUFFIX}"
            _write_changed(path, orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def sidecars_of(entry: Entry, *, with_prompt: bool) -> dict[str, dict[str, Any]]:
    """Return what stands beside each file of a request, by output; nothing where none was released."""
    if entry.file is None:
        return {}
    told = {name: getattr(entry, name) for name in COLUMNS if name not in _OF_THE_RUN}
    told |= {group: dict(sorted(getattr(entry, group).items())) for group in _GROUPS}
    told["history"] = [dict(sorted(past.items())) for past in entry.history]
    if not with_prompt:
        told = {name: value for name, value in told.items() if name not in _PROMPTS}
        told["history"] = [
            {name: value for name, value in past.items() if name != "prompt"} for past in told["history"]
        ]
    files = {MAIN: {name: getattr(entry, name) for name in OF_OUTPUT}}
    files |= {label: asdict(file) for label, file in entry.outputs.items()}
    return {label: {"$schema": _ID, "output": label, **told, **file, "files": files} for label, file in files.items()}


def sidecar_schema() -> Schema:
    """Return the JSON schema of a sidecar."""
    columns = {name: of_column(column) for name, column in COLUMNS.items() if name not in _OF_THE_RUN}
    file = {name: {**columns[name], "type": of_column(COLUMNS[name])["type"][0]} for name in OF_OUTPUT}
    scalar: Schema = {"type": ["string", "number", "boolean"]}
    properties: Schema = {
        "$schema": {"const": _ID},
        "output": {"type": "string", "description": "Label of the output that this file is; main for the first."},
        **columns,
        **file,
        "verdict": {"const": "accepted", "description": "Only accepted images are released."},
        "history": {"type": "array", "items": {"type": "object"}, "description": "Earlier attempts, oldest first."},
        **{
            group.field: {"type": "object", "additionalProperties": scalar, "description": f"{group.meaning}."}
            for group in GROUPS.values()
        },
        "files": {
            "type": "object",
            "description": "All files of this image, by output.",
            "additionalProperties": {
                "type": "object",
                "properties": file,
                "required": list(file),
                "additionalProperties": False,
            },
        },
    }
    return {
        "$schema": DIALECT,
        "$id": _ID,
        "title": "What a released image's sidecar tells",
        "version": SIDECAR_VERSION,
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in _PROMPTS],
        "additionalProperties": False,
    }


def _write_changed(path: Path, data: bytes) -> None:
    try:
        is_right = path.read_bytes() == data
    except FileNotFoundError:
        is_right = False
    if not is_right:
        write_whole(path, data)
