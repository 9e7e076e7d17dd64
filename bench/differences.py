"""Measures comparing two releases: manifests without images, and pages with images.

``python bench/differences.py [ROWS] [PAIRS] [EDGE_PX]``: ROWS images, of which one in a hundred has another prompt;
then PAIRS of changed images, as JPEG. Each part is a process; the CPU time and peak memory are its own. All files are
in a temporary folder.
"""

from __future__ import annotations

import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from imagemake.release.manifest.row import ManifestRow
from imagemake.release.manifest.tables import write_manifest

# VmHWM, because ru_maxrss of a child starts with the value of its parent.
CODE = """
import re, sys
from pathlib import Path
from imagemake.cli import main
try:
    main()
finally:
    print(re.search(r"VmHWM:\\s*([0-9]+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
"""


def digest_of(text: str) -> str:
    """Return a digest in the manifest's form."""
    return hashlib.sha256(text.encode()).hexdigest()


def entry(number: int, *, edited: bool, data: bytes | None = None) -> ManifestRow:
    """Return one row of about the size of real ones."""
    version = f"{number} {'edited' if edited else ''}"
    digest = digest_of(version) if data is None else hashlib.sha256(data).hexdigest()
    return ManifestRow(
        name=f"SKU-{number:06}_navy-blue-front-view",
        file=f"images/SKU-{number:06}.jpg",
        verdict="accepted",
        prompt=f"Product photo of product {version} on a white background, front view, high detail. " * 4,
        provider="openai",
        model="gpt-image-2",
        seed=number,
        parameters={"size": "1024x1024", "quality": "medium"},
        key=digest_of(f"key {version}"),
        catalog_row=number + 2,
        attempts=1,
        tries=1,
        variables={"product": f"product {version}", "color": "navy blue", "angle": "front view"},
        cost_usd=0.04,
        seconds=9.5,
        digest=digest,
        finished_digest=digest,
        raw_digest=digest_of(f"raw {version}"),
        measures={"phash.hash": digest_of(f"hash {version}")[:16], "tone.contrast": 0.3, "sharpness.variance": 80.1},
    )


def measured(folder: Path, *arguments: str) -> str:
    """Run the command, and return its CPU time, wall time, and peak memory."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-c", CODE, "diff", "a", "b", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak_mb = int(done.stderr.split()[-1]) / 1024
    if "json" in arguments:
        counts = f"{json.loads(done.stdout)['counts']['changed']:,} changed"
    else:
        counts = next(line for line in done.stdout.splitlines() if "unchanged" in line or "changed" in line)
    return f"CPU {cpu_s:.1f} s, wall {wall_s:.1f} s, peak {peak_mb:.0f} MB ({counts})"


def manifests(n_rows: int) -> None:
    """Compare two manifests of many rows: one in a hundred edited, all edited, nothing edited."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        root = Path(folder)
        (root / "a").mkdir()
        rows = (entry(n, edited=False) for n in range(n_rows))
        write_manifest(rows, root / "a/manifest.csv", root / "a/manifest.parquet")
        for share, every in (("none", 0), ("1 %", 100), ("all", 1)):
            (root / "b").mkdir(exist_ok=True)
            rows = (entry(n, edited=bool(every) and n % every == 0) for n in range(n_rows))
            write_manifest(rows, root / "b/manifest.csv", root / "b/manifest.parquet")
            size_mb = (root / "b/manifest.parquet").stat().st_size / 1e6
            print(f"{n_rows:,} rows ({size_mb:.0f} MB), edited: {share}")
            print(f"  table: {measured(root)}")
            print(f"  JSON:  {measured(root, '--format', 'json')}")
        (root / "a/manifest.parquet").unlink()
        (root / "b/manifest.parquet").unlink()
        print(f"  table, from CSV: {measured(root)}")


def pages(n_pairs: int, edge_px: int) -> None:
    """Write a page of changed images."""
    random = np.random.default_rng(7)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        root = Path(folder)
        for side in ("a", "b"):
            entries = []
            (root / side / "images").mkdir(parents=True)
            for number in range(n_pairs):
                small = random.integers(0, 255, (edge_px // 16, edge_px // 16, 3), dtype=np.uint8)
                file = BytesIO()
                large = Image.fromarray(small).resize((edge_px, edge_px), Image.Resampling.BICUBIC)
                large.save(file, "JPEG", quality=90)
                entries.append(entry(number, edited=side == "b", data=file.getvalue()))
                (root / side / str(entries[-1].file)).write_bytes(file.getvalue())
            write_manifest(entries, root / side / "manifest.csv", root / side / "manifest.parquet")
        print(f"{n_pairs:,} pairs of {edge_px} x {edge_px} JPEG, {len(file.getvalue()) / 1e3:.0f} KB")
        print(f"  page: {measured(root, '--html', 'page.html', '--most-images', str(n_pairs))}")
        print(f"  {(root / 'page.html').stat().st_size / 1e6:.1f} MB")


def main() -> None:
    """Measure both."""
    n_rows, n_pairs, edge_px = (int(number) for number in (*sys.argv[1:], "100000", "500", "800")[:3])
    manifests(n_rows)
    pages(n_pairs, edge_px)


if __name__ == "__main__":
    main()
