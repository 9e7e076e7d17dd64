"""`imagemake publish`: upload a release."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.cli.options import add_config_option
from imagemake.cli.terminal import Progress
from imagemake.store.layout import RELEASE_FOLDERS

if TYPE_CHECKING:
    from imagemake.config.remotes import Publish
    from imagemake.versions.publish.plan import PublishPlan
    from imagemake.versions.publish.publisher import Publisher

DESCRIPTION = """\
Uploads a release to s3://bucket/prefix (Amazon S3 or any server with its API), to a folder such as /srv/shop or
./shop, or to any other address that fsspec supports. Only files whose content changed are sent. If you stop the
upload, the next one continues where it stopped. Images are sent first, the manifest last. Nothing is deleted unless
you pass --prune.

Set the credentials in the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE. For a server other
than Amazon's, also set AWS_ENDPOINT_URL_S3.
"""
EXAMPLES = """\
examples:
  list what would be sent
    imagemake publish s3://our-shop/catalog --dry-run
  publish the pilot to catalog/pilot/
    imagemake publish s3://our-shop/catalog --scope pilot
  some time later, when no reader needs them: delete files that are no longer in the release
    imagemake publish --prune
"""


def add_publish_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake publish`."""
    parser.add_argument("url", metavar="URL", nargs="?", help="destination; default: publish.url in config.yaml")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--scope",
        choices=tuple(RELEASE_FOLDERS),
        default="all",
        help="which release; default: all. pilot and small go to URL/pilot and URL/small",
    )
    which.add_argument("--folder", type=Path, metavar="FOLDER", help="publish the release in this folder")
    parser.add_argument("--dry-run", action="store_true", help="list what would be sent and deleted, with sizes")
    parser.add_argument("--incomplete", action="store_true", help="publish even if images are missing")
    parser.add_argument("--prune", action="store_true", help="delete files of earlier releases")
    parser.add_argument(
        "--again", action="store_true", help="send every file again, for example after you changed headers"
    )
    add_config_option(parser)
    parser.set_defaults(run=run_publish)


def run_publish(options: argparse.Namespace) -> int:
    """Publish the release."""
    from imagemake.core.errors import InterruptedByUserError

    try:
        return _publish(options)
    except KeyboardInterrupt:
        what = "\nStopped. The files sent so far stay, and the next publish sends the rest."
        raise InterruptedByUserError(what) from None


def _publish(options: argparse.Namespace) -> int:
    from imagemake.config.load import read_campaign
    from imagemake.release.manifest.reading import missing_files, released_files
    from imagemake.store.remote.storage import Storage
    from imagemake.versions.publish.objects import objects_of
    from imagemake.versions.publish.publisher import Publisher

    settings = read_campaign(options.config).publish
    address = _address(options, settings)
    folder = options.folder or RELEASE_FOLDERS[options.scope]
    manifest = _manifest_of(folder)
    missing, n_rows = missing_files(manifest)
    if missing and not options.incomplete:
        _refuse_incomplete(missing, n_rows, folder)
    progress = Progress()
    objects = objects_of(folder, settings, released_files(manifest), progress.tell)
    progress.end()
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
    counted = _Sent(len(due.send), sum(one.size_bytes for _, one, _ in due.send))
    try:
        publisher.send(due, counted.add)
    finally:
        counted.end()
    sent = f"{_files(len(due.send))}, {_size(counted.all_bytes)}, sent to {address}" if due.send else "nothing to send"
    print(f"imagemake: {sent}; {len(due.same):,} were up to date.")
    if prune:
        publisher.prune(due.superseded, lambda _: None)
        print(f"  Deleted {_files(len(due.superseded))} of earlier releases.")
    elif due.superseded:
        print(f"  Kept {_files(len(due.superseded))} of earlier releases. To delete them, pass --prune.")
    if due.foreign:
        print(f"  Kept {_files(len(due.foreign))} of earlier releases that were changed at the destination.")


def _lines_of(due: PublishPlan, address: str, *, prune: bool) -> Iterator[str]:
    from imagemake.versions.publish.record import NAME

    for _, one, replaces in due.send:
        yield f"{'replace' if replaces else 'new':<8}{one.size_bytes:>14,}  {one.name}"
    if due.send:
        yield f"{'record':<8}{'':>14}  {NAME} (before the first and after the last file)"
    for name in due.superseded if prune else ():
        yield f"{'delete':<8}{'':>14}  {name}"
    total = sum(one.size_bytes for _, one, _ in due.send)
    yield f"{_files(len(due.send))}, {total:,} bytes, to {address}; {len(due.same):,} are up to date."
    if due.superseded and not prune:
        yield f"{_files(len(due.superseded))} of earlier releases would stay. To delete them, pass --prune."


class _Sent:
    """Counts what was sent, and shows it; called from several threads."""

    def __init__(self, n_files: int, all_bytes: int) -> None:
        self._n_files, self.all_bytes = n_files, all_bytes
        self._done = self._bytes = 0
        self._progress = Progress()

    def add(self, n_bytes: int) -> None:
        self._done += 1
        self._bytes += n_bytes
        sizes = f"{_size(self._bytes)} of {_size(self.all_bytes)}"
        self._progress.tell(f"{self._done:,} of {_files(self._n_files)}, {sizes}")

    def end(self) -> None:
        self._progress.end()


def _address(options: argparse.Namespace, settings: Publish) -> str:
    from imagemake.config.remotes import as_address, fault_of_address
    from imagemake.core.problems import Problem, UserError

    address = settings.url if options.url is None else options.url
    if address is None:
        remedy = "Pass it (imagemake publish s3://bucket/prefix), or set publish.url in config.yaml."
        raise UserError(Problem("imagemake publish", "no destination given.", remedy))
    address = as_address(str(Path(address).resolve()) if address.startswith((".", "/")) else address)
    if fault := fault_of_address(address):
        raise UserError(Problem("destination", *fault))
    address = address.rstrip("/")
    return address if options.scope == "all" or options.folder else f"{address}/{options.scope}"


def _manifest_of(folder: Path) -> Path:
    from imagemake.core.problems import Problem, UserError
    from imagemake.release.manifest.reading import PARQUET

    if not (folder / PARQUET).is_file():
        remedy = "Build it with `snakemake`, or pass --scope or --folder."
        raise UserError(Problem(str(folder / PARQUET), "no release found.", remedy))
    return folder / PARQUET


def _refuse_incomplete(missing: Counter[str], n_rows: int, folder: Path) -> None:
    from imagemake.core.problems import Problem, UserError

    kinds = ", ".join(f"{n:,} {verdict}" for verdict, n in missing.most_common())
    what = f"{missing.total():,} of {n_rows:,} images are missing: {kinds}."
    remedy = "Complete the release (index.html says why each image is missing), or pass --incomplete."
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
