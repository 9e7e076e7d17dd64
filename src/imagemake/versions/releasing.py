"""Creates a release: checks that it is possible, writes its record, and has DVC and git keep it.

An interrupted release is harmless because of the order: DVC tracks the files, then the record is written, then one
commit contains everything, and only the tag makes it a release. Running the same command again continues it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import orjson

from imagemake import __version__
from imagemake.config.campaign import Campaign
from imagemake.config.checks import over_defaults
from imagemake.config.fields import CONFIG
from imagemake.core.files import write_whole
from imagemake.core.hashing import file_sha256
from imagemake.core.problems import Problem, UserError
from imagemake.core.text import counted
from imagemake.images.source_files import SourceImages
from imagemake.plan.inventory import Inventory
from imagemake.plan.requests.catalog import Catalog
from imagemake.plan.reviews import REVIEWS
from imagemake.plan.state import State
from imagemake.plan.target import Target
from imagemake.release.gate_figures import figures_of_stage
from imagemake.release.record import known_counts
from imagemake.stages.postprocess.job import postprocess_digests
from imagemake.store.journal import read_calls
from imagemake.store.kept_measures import keep_measures
from imagemake.store.layout import ALL, RELEASES, RESULTS, STORE, WORK, source_images_file
from imagemake.store.ledger import Tally
from imagemake.store.open_calls import OpenCalls
from imagemake.store.store import Store
from imagemake.store.submissions import Submissions
from imagemake.versions import history
from imagemake.versions.changes import changes_between
from imagemake.versions.dvc import Dvc
from imagemake.versions.exported import list_of_exports
from imagemake.versions.git import Git
from imagemake.versions.readiness import (
    ReleaseOptions,
    build_problems,
    file_problems,
    gate_problems,
    git_problems,
    is_ready,
    name_problems,
    result_problems,
)
from imagemake.versions.records import (
    EXPORTS_FILE,
    MANIFEST_FILE,
    RECORD_FILE,
    REVIEWS_FILE,
    BadRecordError,
    Record,
    StoredRecord,
    folder_of_release,
    heads,
    journal_prefixes,
    names_in,
    read_all,
    write_record,
)

MANIFEST = RESULTS / "manifest.parquet"
MADE_WITH = ("snakemake", "dvc", "pillow", "numpy", "opencv-python-headless")


@dataclass
class Releasing:
    """One release in progress.

    Attributes:
        campaign: The campaign.
        options: Options of the release.
        git: The project's git repository.
        dvc: The project's DVC repository.
    """

    campaign: Campaign
    options: ReleaseOptions
    git: Git = field(default_factory=Git)
    dvc: Dvc = field(default_factory=Dvc)

    def problems(self) -> list[Problem]:
        """Return every problem that prevents this release."""
        found = [*name_problems(self.options.name), *git_problems(self.git, self.options)]
        known = known_counts(self._target, Store(STORE), WORK)
        of_build: list[Problem] = []
        if known is None or not is_ready(known, self.options):
            of_build += build_problems(self._states, self.options)
            of_build += [] if of_build else result_problems(self._target, self._states)
        found += of_build
        found += gate_problems(self.campaign, lambda stage: figures_of_stage(stage, self._target, self._inventory))
        waiting = [submission.id for submission in Submissions(STORE).all()]
        if waiting:
            what = f"{len(waiting):,} batches are open at the provider, and their images would be in no release."
            remedy = "Wait and run `snakemake`, or use `imagemake batches` with --collect or --cancel."
            found.append(Problem("batches", what, remedy))
        if in_queues := OpenCalls(STORE).all():
            what = f"{counted(len(in_queues), 'image')} in the queue of a provider would be in no release."
            found.append(Problem("queue", what, "Run `snakemake` until they are there."))
        for one in heads(self._others):
            if not _manifest_of(one.release).is_file():
                what = "the manifest of the previous release is missing, so changes cannot be counted."
                found.append(Problem(str(_manifest_of(one.release)), what, "Fetch it: dvc pull releases"))
        if not of_build:
            found += file_problems(MANIFEST)
        return found

    @cached_property
    def record(self) -> Record:
        """The record of the release: the existing one if it describes the same state, or else a new one."""
        draft, kept = self._draft(), self._own_record
        if kept is None or not kept.record.is_same_as(draft):
            return draft
        is_released = self.git.has_tag(self.options.name) if self.options.git else True
        has_same_note = is_released or self.options.note in ("", kept.record.note)  # a release never changes its note
        return kept.record if has_same_note else draft

    def is_there(self) -> bool:
        """Return whether the same state is already released under this name.

        Raises:
            UserError: If another state is released under this name.
        """
        name = self.options.name
        path = folder_of_release(name) / RECORD_FILE
        if not self.options.git:
            if self._own_record is None:
                return False
            same = self._own_record.record == self.record
        elif self.git.has_tag(name):
            same = self.git.content(name, path) == self.record.to_json()
        else:
            return False
        if not same:
            what = f"{name!r} is already released, and the project has changed since."
            raise UserError(Problem("release", what, "Choose another name, because a release never changes."))
        return True

    def make(self, report: Callable[[str], None]) -> None:
        """Create the release in steps that can be repeated.

        Args:
            report: Called with a description of each step.

        Raises:
            UserError: If DVC or git fails. Running the same command again continues.
        """
        record = self.record
        folder = folder_of_release(record.release)
        self._copy(MANIFEST, folder / MANIFEST_FILE)
        self._copy(REVIEWS, folder / REVIEWS_FILE)
        lists = [folder / EXPORTS_FILE] if self._exports else []
        for path in lists:
            write_whole(path, self._exports)
        kept = [RESULTS / "metrics.json", folder, Path(".gitignore"), RESULTS / ".gitignore"]
        if self.dvc.is_there():
            report("tracking store, images, and tables with DVC")
            keep_measures(Store(STORE), WORK)
            kept += self.dvc.track(folder / MANIFEST_FILE, *lists)
        records = self._chain_with(record)
        for name, content in (
            (history.CHANGES_FILE, history.changes_of(records)),
            (history.HISTORY_FILE, history.history_of(records)),
        ):
            write_whole(RELEASES / name, content)
            kept.append(RELEASES / name)
        write_record(Path(), record)  # without git, the record alone makes it a release
        if self.options.git:
            report("committing the record")
            summary = f"{record.release}: {history.in_words(record)}"
            self.git.commit(self._git_paths(kept, folder), f"Release {summary}")
            self.git.tag(record.release, summary)

    def _git_paths(self, kept: Iterable[Path], folder: Path) -> list[Path]:
        in_folder = [RECORD_FILE, REVIEWS_FILE, ".gitignore"]
        if not self.dvc.is_there():
            in_folder += [MANIFEST_FILE, EXPORTS_FILE]
        others = [path for path in kept if path != folder]
        return [*others, *(folder / name for name in in_folder)]

    @cached_property
    def _target(self) -> Target:
        rows = Catalog.open(self.campaign.catalog)
        return Target(self.campaign, rows, ALL, "", files=SourceImages(cache=source_images_file(WORK)))

    @cached_property
    def _states(self) -> list[State]:
        return self._target.states(self._inventory)

    @cached_property
    def _inventory(self) -> Inventory:
        return Inventory(Store(STORE), WORK)

    @cached_property
    def _exports(self) -> bytes:
        return list_of_exports(RESULTS, MANIFEST)

    @cached_property
    def _others(self) -> Mapping[str, StoredRecord]:
        try:
            return read_all(RELEASES, [name for name in names_in(RELEASES) if name != self.options.name])
        except BadRecordError as error:
            remedy = "To find it, run `imagemake verify --releases`. To restore it, use git."
            raise UserError(Problem(str(RELEASES), f"a record is invalid: {error}", remedy)) from None

    @cached_property
    def _own_record(self) -> StoredRecord | None:
        try:
            return read_all(RELEASES, [self.options.name])[self.options.name]
        except (FileNotFoundError, BadRecordError):  # rewrites an incomplete record
            return None

    def _chain_with(self, record: Record) -> dict[str, StoredRecord]:
        own = StoredRecord(record, hashlib.sha256(record.to_json()).hexdigest())
        return {**self._others, record.release: own}

    def _draft(self) -> Record:
        follow = heads(self._others)
        tally = Tally()
        for call in read_calls(Store(STORE).journal_folder):
            tally.add(call)
        earlier = [self._others[one.release].record for one in follow]
        spent_before = max((Decimal(record.spent_usd) for record in earlier), default=Decimal(0))
        unknown_before = max((record.cost_unknown for record in earlier), default=0)
        validation = self.campaign.validation
        return Record(
            release=self.options.name,
            at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            note=self.options.note,
            campaign=self.campaign.campaign,
            previous=follow,
            made_with=_versions(),
            metrics=orjson.loads((RESULTS / "metrics.json").read_bytes()),
            changes=changes_between([_manifest_of(one.release) for one in follow], MANIFEST),
            spent_usd=str(tally.billed_usd),
            spent_since_usd=str(tally.billed_usd - spent_before),
            cost_unknown=tally.cost_unknown - unknown_before,
            checks={
                name: check.model_dump(mode="json", exclude_none=True)
                for name, check in over_defaults(validation.checks, validation.asked.checks()).items()
            },
            measures=tuple(validation.identities()),
            step_digests=postprocess_digests(self.campaign.postprocess),
            config=_digests(
                [Path(CONFIG), Path(self.campaign.catalog), REVIEWS, *map(Path, self._target.files.by_path)]
            ),
            manifest=file_sha256(MANIFEST),
            reviews=file_sha256(REVIEWS) if REVIEWS.is_file() else None,
            journal=journal_prefixes(Store(STORE).journal_folder),
            exports=hashlib.sha256(self._exports).hexdigest() if self._exports else None,
        )

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        if source.is_file() and not (target.is_file() and target.read_bytes() == source.read_bytes()):
            write_whole(target, source.read_bytes())


def _manifest_of(name: str) -> Path:
    return folder_of_release(name) / MANIFEST_FILE


def _digests(paths: Iterable[Path]) -> dict[str, str]:
    return {str(path): file_sha256(path) for path in sorted(set(paths)) if path.is_file()}


def _versions() -> dict[str, str]:
    found = {"imagemake": __version__}
    for package in MADE_WITH:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
