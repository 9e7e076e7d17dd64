"""Measures DVC on a store: first time, nothing changed, one more image, push, and pull; time and disk space.

    PYTHONPATH=tests python bench/versions.py --images 10000 --kb 100
    PYTHONPATH=tests python bench/versions.py --images 100000 --kb 2 --link hardlink

The store is tracked as by `imagemake track`: the folders of a large one apart, or with `--whole` as one folder. The
server is rclone on the same machine and disk. `one more` adds one image; `push one more` and `pull one more` transfer
it. Files are random bytes, because nothing here reads images.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from s3_server import an_s3_server

CONFIG = """\
[core]
    remote = team
    analytics = false
[cache]
    type = {link}
['remote "team"']
    url = s3://team/shop
"""
TRACK = "from imagemake.versions import dvc; dvc.LARGE = {large}; dvc.Dvc().track()"
LINKS = {"hardlink": "hardlink,copy", "copy": "copy"}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--kb", type=int, default=100, help="size per image, in 1,000 bytes")
    parser.add_argument("--link", choices=LINKS, default="hardlink")
    parser.add_argument("--whole", action="store_true", help="track the store as one folder, however large it is")
    parser.add_argument("--no-push", action="store_true", help="skip push and pull")
    options = parser.parse_args()
    print(f"{options.images:,} images of {options.kb} KB, cache.type {LINKS[options.link]}", flush=True)
    with tempfile.TemporaryDirectory() as folder, an_s3_server(Path(folder) / "s3", "team") as s3:
        root = Path(folder) / "ann"
        environment = {**os.environ, **s3.environment(AWS_CONFIG_FILE=f"{folder}/none"), **_person()}
        _begin(root, options.link, environment)
        track = (sys.executable, "-c", TRACK.format(large="10**9" if options.whole else "dvc.LARGE"))
        for number in range(options.images):
            _write(root, number, options.kb)
        print(f"{'store alone':<14} {'':>8} {'':>8} {_mb(root):>9,.0f} MB on disk", flush=True)
        _timed("first add", root, environment, *track)
        print(f"{'':<14} {'':>8} {'':>8} {_mb(root):>9,.0f} MB on disk", flush=True)
        lists = _lists(root)
        _commit(root, environment)
        _timed("nothing changed", root, environment, *track)
        if not options.no_push:
            _timed("push", root, environment, "dvc", "push", "-q")
            _run(Path(folder), environment, "git", "clone", "-q", "ann", "ben")
            _timed("pull", root.with_name("ben"), environment, "dvc", "pull", "-q")
        _write(root, options.images, options.kb)
        _timed("one more", root, environment, *track)
        new_mb = sum(size for name, size in _lists(root).items() if name not in lists) / 1e6
        print(f"{'its lists':<14} {'':>8} {'':>8} {new_mb:>9.2f} MB are new", flush=True)
        _commit(root, environment)
        if not options.no_push:
            _timed("push one more", root, environment, "dvc", "push", "-q")
            _run(root.with_name("ben"), environment, "git", "pull", "-q")
            _timed("pull one more", root.with_name("ben"), environment, "dvc", "pull", "-q")


def _begin(root: Path, link: str, environment: Mapping[str, str]) -> None:
    root.mkdir()
    _run(root, environment, "git", "init", "-q")
    _run(root, environment, "dvc", "init", "-q")
    (root / ".dvc/config").write_text(CONFIG.format(link=LINKS[link]))


def _write(root: Path, number: int, kb: int) -> None:
    data = os.urandom(1000 * kb)
    key, digest = hashlib.sha256(str(number).encode()).hexdigest(), hashlib.sha256(data).hexdigest()
    path = root / "store/raw" / key[0] / key[:2] / f"{key}.{digest}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o444)


def _timed(what: str, folder: Path, environment: Mapping[str, str], *command: str) -> None:
    before, start = _cpu_s(), time.monotonic()
    _run(folder, environment, *command)
    print(f"{what:<14} {time.monotonic() - start:>6.1f} s {_cpu_s() - before:>6.1f} s CPU", flush=True)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _lists(root: Path) -> dict[str, int]:
    # The lists of folders' files in DVC's cache, and their sizes in bytes.
    return {path.name: path.stat().st_size for path in (root / ".dvc/cache").rglob("*.dir")}


def _mb(root: Path) -> float:
    # Counts each inode once, in blocks, as the disk does.
    sizes = {path.stat().st_ino: path.stat().st_blocks * 512 for path in root.rglob("*") if path.is_file()}
    return sum(sizes.values()) / 1e6


def _commit(root: Path, environment: Mapping[str, str]) -> None:
    _run(root, environment, "git", "add", "-A")
    _run(root, environment, "git", "commit", "-q", "-m", "more")


def _person() -> dict[str, str]:
    return {f"GIT_{role}_{what}": "bench" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def _run(folder: Path, environment: Mapping[str, str], *command: str) -> None:
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    subprocess.run(command, cwd=folder, env={**environment, "PATH": path}, check=True)


if __name__ == "__main__":
    main()
