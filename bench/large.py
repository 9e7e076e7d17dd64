"""Measures planning and releasing many images: nothing to do, one row edited, one inserted, rows sorted anew.

    python bench/large.py [--images 100000] [--folder FOLDER]

Fills the store, the journal, and the tables of a project as a run does, but with tiny images that nobody draws, so that
100,000 take a minute. A folder that is kept is filled once.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import chdir
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent))
from builds import measured, version_s
from workflow.project import Project

from imagemake.config.campaign import load_campaign
from imagemake.config.outputs import Output
from imagemake.core.garbage import collect_rarely
from imagemake.images.decoded import decode_image
from imagemake.plan.policy import policy_of
from imagemake.plan.requests.catalog import Catalog
from imagemake.plan.requests.request import Request
from imagemake.plan.target import Target
from imagemake.stages.postprocess.encode import encode, opened
from imagemake.stages.validate.job import load_measures
from imagemake.store.items import Item, write_table
from imagemake.store.journal_lines import line_of
from imagemake.store.store import ContentStore, StoredFile

BATCH = 1_000
CONFIG: dict[str, Any] = {
    "name": "{sku}",
    "prompt": "Product photo of {product} number {sku}, {color}.",
    "model": {"provider": "preview", "name": "preview-1", "parameters": {"size": "64x64"}},
    "postprocess": {"output": {"format": "jpeg"}},
    "validation": {"near_duplicates": False},
}


def png_of(number: int) -> bytes:
    """Return a PNG of 64x64 in one color, with a number that makes its bytes its own."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\x80\x90\xa0" * 64) * 64)
    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"tEXt", b"Comment\0%d" % number), chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def put(store: ContentStore, key: str, data: bytes, extension: str) -> StoredFile:
    """Write a file of the store, without the care that a real one deserves."""
    stored = StoredFile(key, hashlib.sha256(data).hexdigest(), extension)
    path = store.path(stored)
    try:
        path.write_bytes(data)
    except FileNotFoundError:
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    path.chmod(0o444)
    return stored


def fill(folder: Path) -> None:
    """Put every image of a project into its store, as a run leaves it before the release."""
    from imagemake.store.store import Store

    with chdir(folder):
        import yaml
        from PIL import Image

        campaign = load_campaign(yaml.safe_load(Path("config/config.yaml").read_text()))
        target = Target(campaign, Catalog.open(campaign.catalog), "all", "")
        policy, store = policy_of(campaign), Store(Path("store"))
        jpeg = encode(opened(png_of(0)), Output(format="jpeg"))
        # Of a picture that passes: the tiny ones are of one color. All measures, so that a new image adds no column.
        picture = Image.effect_noise((64, 64), 50).convert("RGB")
        image = decode_image(encode(picture, Output(format="png")))
        read_by = load_measures(campaign.validation.measures_needed())
        measures = {name: dict(one.read(image)) for name, one in read_by.items()}
        journal = store.journal_folder / f"{datetime.now(UTC):%Y-%m-%d}"
        journal.mkdir(parents=True)
        for start in range(0, len(target.requests), BATCH):
            items, lines = [], []
            for number, request in enumerate(target.requests[start : start + BATCH], start):
                key = request.recipe.key()
                raw = put(store.raw, key, png_of(number), "png")
                output_key = policy.output_keys(raw.digest)["main"]
                note = b"\xff\xfe" + struct.pack(">H", 10) + b"%08d" % number
                finished = put(store.finished, output_key, jpeg[:2] + note + jpeg[2:], "jpg")
                items.append(
                    Item(
                        request.name, 0, request.recipe, key, "new", raw=raw, measures=measures,
                        output_key=output_key, finished=finished,
                    )
                )  # fmt: skip
                lines += records(request, key, raw)
            write_tables(items)
            (journal / f"000000-generate-{start:08}.jsonl").write_bytes(b"".join(map(line_of, lines)))


def records(request: Request, key: str, raw: StoredFile) -> Iterator[dict[str, Any]]:
    """Yield the journal's records of one call."""
    call = key[:32]
    yield {
        "event": "sent", "call": call, "at": "2026-11-27T12:00:00.000Z", "campaign": "test shop", "name": request.name,
        "key": key, "attempt": 0, "tried": 0, "recipe": request.recipe.as_dict(), "worst_usd": 0.0,
    }  # fmt: skip
    yield {
        "event": "closed", "call": call, "at": "2026-11-27T12:00:01.000Z", "outcome": "made", "cost_usd": 0.0,
        "seconds": 0.012, "seed_use": "sent", "digest": raw.digest, "key": key,
    }  # fmt: skip


def write_tables(items: Sequence[Item]) -> None:
    """Write the tables of one batch."""
    batch = f"generate-{hashlib.sha256(items[0].key.encode()).hexdigest()[:16]}"
    for stage in ("batches", "generated", "validated", "postprocessed"):
        has = ("batches", "generated", "validated", "postprocessed").index(stage)
        blank = {
            "raw": None if has < 1 else ...,
            "measures": {} if has < 2 else ...,
            "output_key": None if has < 3 else ...,
            "finished": None if has < 3 else ...,
        }
        changes: dict[str, Any] = {name: value for name, value in blank.items() if value is not ...}
        write_table(Path("work", stage, f"{batch}.jsonl"), [replace(item, **changes) for item in items])


def report(title: str, project: Project, own_s: float, *arguments: str) -> None:
    """Run Snakemake, and print what it took, and when it sent the first call."""
    start = datetime.now(UTC)
    wall_s, cpu_s, peak_mb = measured(project, *arguments)
    load, sent_at = os.getloadavg()[0], first_call(project, start)
    first = f", first call after {(sent_at - start).total_seconds():.1f} s" if sent_at else ""
    print(
        f"{title:32} {wall_s:7.1f} s wall ({wall_s / own_s:5.1f} times snakemake --version), {cpu_s:6.1f} s CPU, "
        f"{peak_mb:6.0f} MB, load {load:.0f}{first}",
        flush=True,
    )


def first_call(project: Project, since: datetime) -> datetime | None:
    """Return when the first call since then was sent, by the journal; None if there was none."""
    paths = (project.folder / "store" / "journal").glob("*/*.jsonl")
    new = [path for path in paths if path.stat().st_mtime >= since.timestamp()]
    records = (orjson.loads(line) for path in new for line in path.read_bytes().splitlines())
    sent = [datetime.fromisoformat(record["at"]) for record in records if record["event"] == "sent"]
    return min(sent, default=None)


def main() -> None:
    """Measure the cases in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000, help="default: 100,000")
    parser.add_argument("--folder", type=Path, help="keep the project here, and use it again; default: a temporary one")
    options = parser.parse_args()
    collect_rarely()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary) / "project").absolute()
        is_new = not folder.exists()
        project = Project(folder, rows=options.images, **CONFIG) if is_new else kept(folder)
        if is_new:
            fill(folder)
        own_s = min(version_s() for _ in range(3))
        print(f"{options.images:,} images; snakemake --version takes {own_s:.2f} s")
        report("first release", project, own_s)
        report("nothing to do", project, own_s)
        project.edit_row(len(project.rows) // 2, product=f"teapot {os.getpid()}")
        report("one row edited, dry run", project, own_s, "-n")
        report("one row edited", project, own_s)
        project.rows.insert(0, {**project.rows[0], "sku": f"TOP{os.getpid()}"})
        project.write_catalog()
        report("row inserted at the top, dry run", project, own_s, "-n")
        project.rows.sort(key=lambda row: row["product"])
        project.write_catalog()
        report("rows sorted anew, dry run", project, own_s, "-n")


def kept(folder: Path) -> Project:
    """Return a project that was filled before."""
    import csv

    project = Project.__new__(Project)
    project.folder, project.server, project.logs = folder, None, {}
    with (folder / "config" / "catalog.csv").open(newline="") as file:
        project.rows = list(csv.DictReader(file))
    return project


if __name__ == "__main__":
    main()
