"""Exports for training: Hugging Face's imagefolder, kohya's folders, WebDataset, and plain folders."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson

from imagemake.plan.requests.export_paths import ExportPath, rendered
from imagemake.release.exports.content import Content, Exported, Image, Shard, image_of

if TYPE_CHECKING:
    from imagemake.config.exports import Export

METADATA = "metadata.jsonl"


def huggingface(images: Sequence[Exported], export: Export) -> dict[str, Content]:
    """Return the files of an imagefolder: the images, and a line of metadata.jsonl for each."""
    files: dict[str, Content] = {one.file_name: image_of(one) for one in images}
    lines = (
        orjson.dumps(
            {"file_name": one.file_name, "text": rendered(export.caption, one.values), **one.columns(export)},
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for one in images
    )
    return {**files, METADATA: b"".join(lines)} if images else {}


def kohya(images: Sequence[Exported], export: Export) -> dict[str, Content]:
    """Return the images, each with its caption on one line of a text file beside it."""
    files = folders(images, export)
    path = ExportPath(export.path)
    for one in images:
        caption = " ".join(rendered(export.caption, one.values).split())  # the trainer reads the first line only
        files[f"{path.of(one.values)}.txt"] = f"{caption}\n".encode()
    return files


def folders(images: Sequence[Exported], export: Export) -> dict[str, Content]:
    """Return the images under the paths that the template gives."""
    path = ExportPath(export.path)
    return {f"{path.of(one.values)}{one.suffix}": image_of(one) for one in images}


def webdataset(images: Sequence[Exported], export: Export) -> dict[str, Content]:
    """Return tar files with an image, a caption, and values as JSON per sample."""
    shards: list[dict[str, Image | bytes]] = [{} for _ in range(export.shards)]
    for one in images:
        key, place = _key(one.row.name), _shard_of(one.row.name, export.shards)
        text = rendered(export.caption, one.values)
        shards[place][f"{key}{one.suffix}"] = image_of(one)
        shards[place][f"{key}.txt"] = text.encode()
        shards[place][f"{key}.json"] = orjson.dumps({"name": one.row.name, "text": text, **one.columns(export)})
    return {f"shard-{place:06}.tar": Shard(members) for place, members in enumerate(shards)} if images else {}


def _key(name: str) -> str:
    """Return the key of a sample, which ends at the first dot."""
    if "." not in name:
        return name
    return f"{name.replace('.', '_')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _shard_of(name: str, n_shards: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % n_shards
