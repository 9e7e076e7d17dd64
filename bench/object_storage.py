"""Measures object storage: publishing compared with `rclone copy`, and the team store per image.

``python bench/object_storage.py [IMAGES] [SHARED]``: builds a project of IMAGES (1,000) with the preview provider
and publishes it to an S3 server on this machine (rclone), through a proxy that counts requests and bytes: first, with
nothing changed, and with one edited row. `rclone copy` does the same. Then it puts SHARED (500) images of about 100 KB
into a team store and fetches them. Bytes are those of bodies, without headers.
"""

from __future__ import annotations

import hashlib
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from s3_proxy import S3Proxy, an_s3_proxy
from s3_server import ACCESS_KEY, SECRET_KEY, an_s3_server, rclone
from workflow.project import Project


def main() -> None:
    """Measure, and print the tables."""
    n_images, n_shared = (int(word) for word in [*sys.argv[1:], *("1000", "500")[len(sys.argv) - 1 :]])
    with (
        tempfile.TemporaryDirectory() as folder,
        an_s3_server(Path(folder) / "s3", "shop") as server,
        an_s3_proxy(server.endpoint) as proxy,
    ):
        os.environ |= server.environment(AWS_ENDPOINT_URL_S3=proxy.endpoint)
        publishing(Path(folder), n_images, proxy)
        sharing(n_shared, proxy)


def publishing(folder: Path, n: int, proxy: S3Proxy) -> None:
    """Publish three times in both ways."""
    project = Project(folder / "project", rows=n, publish={"url": "s3://shop/ours"})
    project.snakemake()
    ways: dict[str, Callable[[], object]] = {
        "imagemake publish": lambda: project.imagemake("publish"),
        "rclone copy": lambda: copy(project.folder / "results", proxy.endpoint),
        "rclone copy --checksum": lambda: copy(project.folder / "results", proxy.endpoint, "--checksum"),
    }
    size = sum(path.stat().st_size for path in (project.folder / "results").rglob("*") if path.is_file())
    print(f"{n:,} images, {size / 1e6:.1f} MB with manifest, contact sheet and so on\n")
    print("| | requests | MB sent | MB fetched | CPU s | s |\n|---|---|---|---|---|---|")
    for what in ("first", "nothing changed", "one row edited"):
        if what == "one row edited":
            project.edit_row(3, product="spoon")
            project.snakemake()
        for name, way in ways.items():
            row(f"{what}: {name}", proxy, way)
    print()


def copy(folder: Path, endpoint: str, *options: str) -> None:
    """Copy a folder with rclone, sixteen files at a time, as imagemake does."""
    remote = f":s3,provider=Rclone,endpoint='{endpoint}',access_key_id={ACCESS_KEY},secret_access_key={SECRET_KEY}"
    target = f"{remote}:shop/theirs{len(options)}"
    subprocess.run([rclone(), "copy", "--transfers", "16", *options, str(folder), target], check=True)


def sharing(n: int, proxy: S3Proxy) -> None:
    """Put images into a team store, ask for missing ones, and fetch all of them."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    from PIL import Image

    from imagemake.config.remotes import SharedStore
    from imagemake.core.recipe import Recipe
    from imagemake.store.store import StoredFile
    from imagemake.store.team.origin_record import Note
    from imagemake.store.team.team_store import open_team_store

    noise = np.random.default_rng(1)
    images = []
    for number in range(n):
        recipe, buffer = Recipe("openai", "gpt-image-2", f"Photo of product {number}", 0), io.BytesIO()
        Image.fromarray(noise.integers(0, 256, (185, 185, 3), np.uint8)).save(buffer, "PNG", compress_level=1)
        stored = StoredFile(recipe.key(), hashlib.sha256(buffer.getvalue()).hexdigest(), "png")
        images.append((buffer.getvalue(), Note(stored, buffer.tell()), recipe.as_dict()))
    team = open_team_store(SharedStore(remote="s3://shop/team"), print)
    assert team is not None
    keys = [note.stored.key for _, note, _ in images]
    pool = ThreadPoolExecutor(team.parallel)

    def all_of(do: Callable[..., object], *columns: object) -> None:
        assert all(pool.map(do, *columns))

    print(f"{n:,} images of {len(images[0][0]) / 1e3:.0f} KB, 16 at once\n")
    print("| | requests | MB sent | MB fetched | CPU s | s |\n|---|---|---|---|---|---|")
    row("ask for keys that nobody has", proxy, lambda: all_of(lambda key: team.fetch(key) is None, keys))
    row("put", proxy, lambda: all_of(lambda one: team.put(*one), images))
    row("fetch", proxy, lambda: all_of(team.fetch, keys))
    row("a plan asks for 100 keys", proxy, lambda: team.known(keys[:100]))
    row(f"a plan asks for {n:,} keys, by a listing", proxy, lambda: team.known(keys))


def row(what: str, proxy: S3Proxy, do: Callable[[], object]) -> None:
    """Run something, and print its cost in this process and its children, without the proxy's share of CPU."""
    proxy.reset()
    proxy_before, before, start = proxy.cpu_s(), cpu_s(), time.perf_counter()
    do()
    took_s = time.perf_counter() - start
    used_s = cpu_s() - before - (proxy.cpu_s() - proxy_before)
    sent, came = (sum(getattr(one, name) for one in proxy.passed) / 1e6 for name in ("sent_bytes", "came_bytes"))
    print(f"| {what} | {len(proxy.passed):,} | {sent:.2f} | {came:.2f} | {used_s:.1f} | {took_s:.1f} |", flush=True)


def cpu_s() -> float:
    """Return the CPU time of this process and of its ended children, in seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
