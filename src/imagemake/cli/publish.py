"""`imagemake publish`: a release, to where readers find it."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.store.layout import RELEASE_FOLDERS

if TYPE_CHECKING:
    from imagemake.config.remotes import Publish
    from imagemake.versions.publish.plan import PublishPlan
    from imagemake.versions.publish.publisher import Publisher

DESCRIPTION = """\
Puts a release where readers find it: s3://bucket/prefix (Amazon's or any server that speaks S3), a folder, or any
other address that fsspec knows. What is there already stays, by content: only what changed is sent, and a publish
that was stopped goes on where it was. Images come first and manifest.csv last.

Secrets come from the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; another server than
Amazon's is AWS_ENDPOINT_URL_S3. Nothing is deleted unless --prune says so. More: docs/publishing.md
"""
EXAMPLES = """\
examples:
  what would be sent
    imagemake publish s3://our-shop/catalog --dry-run
  the pilot, into catalog/pilot/
    imagemake publish s3://our-shop/catalog --scope pilot
  take away what no longer is in the release, some time after it was published
    imagemake publish --prune
"""
TELL_EVERY_S = 5.0


def add_publish_options(parser: argparse.ArgumentParser) -> None:
    """Say what `imagemake publish` takes."""
    parser.add_argument("url", metavar="URL", nargs="?", help="where to; default: publish.url in config.yaml")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--scope",
        choices=tuple(RELEASE_FOLDERS),
        default="all",
        help="which release; pilot and small go into URL/pilot, URL/small",
    )
    which.add_argument("--folder", type=Path, metavar="FOLDER", help="another release's folder, with its manifest.csv")
    parser.add_argument("--dry-run", action="store_true", help="list what would be sent and deleted, with bytes")
    parser.add_argument("--incomplete", action="store_true", help="publish although images are missing")
    parser.add_argument("--prune", action="store_true", help="delete what earlier publishes put there and this has not")
    parser.add_argument("--again", action="store_true", help="send everything, such as after a change of headers")
    parser.add_argument("--config", type=Path, default=Path("config/config.yaml"), help="default: config/config.yaml")
    parser.set_defaults(run=run_publish)


def run_publish(options: argparse.Namespace) -> int:
    """Publish the release."""
    from imagemake.core.errors import InterruptedByUserError

    try:
        return _publish(options)
    except KeyboardInterrupt:
        what = "\nStopped. What has arrived stays, and the next publish sends the rest."
        raise InterruptedByUserError(what) from None


def _publish(options: argparse.Namespace) -> int:
    from imagemake.config.load import read_campaign
    from imagemake.release.manifest.tables import files_in, read_manifest
    from imagemake.store.remote.storage import Storage
    from imagemake.versions.publish.objects import objects_of
    from imagemake.versions.publish.publisher import Publisher

    settings = read_campaign(options.config).publish
    address = _address(options, settings)
    folder = options.folder or RELEASE_FOLDERS[options.scope]
    rows = read_manifest(_manifest_of(folder))
    _check_complete(rows, folder, may_be_incomplete=options.incomplete)
    digests = {file["file"]: file["digest"] for row in rows for file in files_in(row).values()}
    objects = objects_of(folder, settings, digests)
    storage = Storage(address, timeout_s=settings.timeout_s, parallel=settings.parallel)
    publisher = Publisher(storage, settings, _warn)
    due = publisher.plan(objects, again=options.again)
    if options.dry_run:
        for line in _lines_of(due, address, prune=options.prune):
            print(line)
        return 0
    if due.send and not storage.keeps_headers:
        _warn("content types and cache headers are set on S3 only")
    _send(publisher, due, address, prune=options.prune)
    return 0


def _send(publisher: Publisher, due: PublishPlan, address: str, *, prune: bool) -> None:
    progress = _Progress(len(due.send), sum(one.size_bytes for _, one, _ in due.send))
    publisher.send(due, progress.tell)
    sent = f"{_files(len(due.send))}, {_size(progress.all_bytes)}, sent to {address}" if due.send else "nothing to send"
    print(f"imagemake: {sent}; {len(due.same):,} were there already.")
    if prune:
        publisher.prune(due.superseded, lambda _: None)
        print(f"  {_files(len(due.superseded))} of earlier releases deleted.")
    elif due.superseded:
        print(f"  {_files(len(due.superseded))} of earlier releases left there: --prune deletes them.")
    if due.foreign:
        print(f"  {_files(len(due.foreign))} of earlier releases were changed there by somebody else, and left alone.")


def _lines_of(due: PublishPlan, address: str, *, prune: bool) -> Iterator[str]:
    from imagemake.versions.publish.record import NAME

    for _, one, replaces in due.send:
        yield f"{'replace' if replaces else 'new':<8}{one.size_bytes:>14,}  {one.name}"
    if due.send:
        yield f"{'record':<8}{'':>14}  {NAME} (before the first and after the last one)"
    for name in due.superseded if prune else ():
        yield f"{'delete':<8}{'':>14}  {name}"
    total = sum(one.size_bytes for _, one, _ in due.send)
    yield f"{_files(len(due.send))}, {total:,} bytes, to {address}; {len(due.same):,} are there already."
    if due.superseded and not prune:
        yield f"{_files(len(due.superseded))} of earlier releases would stay; --prune deletes them."


class _Progress:
    """Says now and then how far it is; told from several threads."""

    def __init__(self, n_files: int, all_bytes: int) -> None:
        self._n_files, self.all_bytes = n_files, all_bytes
        self._done = self._bytes = 0
        self._told_at = time.monotonic()

    def tell(self, n_bytes: int) -> None:
        self._done += 1
        self._bytes += n_bytes
        now = time.monotonic()
        if now - self._told_at >= TELL_EVERY_S:
            self._told_at = now
            sizes = f"{_size(self._bytes)} of {_size(self.all_bytes)}"
            print(f"imagemake: {self._done:,} of {_files(self._n_files)}, {sizes}", file=sys.stderr, flush=True)


def _address(options: argparse.Namespace, settings: Publish) -> str:
    from imagemake.config.remotes import fault_of_address
    from imagemake.core.problems import Problem, UserError

    address = settings.url if options.url is None else options.url
    if address is None:
        remedy = "Name it: imagemake publish s3://bucket/prefix, or publish: {url: ...} in config.yaml."
        raise UserError(Problem("imagemake publish", "no address says where to", remedy))
    if fault := fault_of_address(address):
        raise UserError(Problem("URL", *fault))
    address = address.rstrip("/")
    return address if options.scope == "all" or options.folder else f"{address}/{options.scope}"


def _manifest_of(folder: Path) -> Path:
    from imagemake.core.problems import Problem, UserError
    from imagemake.versions.publish.objects import MANIFEST

    if not (folder / MANIFEST).is_file():
        what = "there is no release here"
        raise UserError(Problem(str(folder / MANIFEST), what, "Build it with `snakemake`, or choose with --scope."))
    return folder / MANIFEST


def _check_complete(rows: Sequence[Mapping[str, str]], folder: Path, *, may_be_incomplete: bool) -> None:
    from imagemake.core.problems import Problem, UserError

    missing = Counter(row["verdict"] for row in rows if not row["file"])
    if missing and not may_be_incomplete:
        kinds = ", ".join(f"{n:,} {verdict}" for verdict, n in missing.most_common())
        what = f"{missing.total():,} of {len(rows):,} images are missing: {kinds}"
        remedy = "Finish the release (its index.html says why each one is missing), or publish it with --incomplete."
        raise UserError(Problem(str(folder), what, remedy))


def _warn(what: str) -> None:
    print(f"Warning: {what}.", file=sys.stderr)


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _size(n_bytes: int) -> str:
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if n_bytes >= least:
            return f"{n_bytes / least:.1f} {unit}"
    return f"{n_bytes} bytes"
