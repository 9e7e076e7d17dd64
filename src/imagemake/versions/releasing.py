"""Making a release: look whether it can be, write down what it is, and let DVC and git keep it, the tag last.

The order makes half a release harmless. DVC tracks first, then the record is written, then one commit holds all of it,
and only a tag makes it a release. Killed before the tag, the same command goes on where it was, and until then says so.
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
from imagemake.config.campaign import CONFIG, Campaign
from imagemake.config.checks import over_defaults
from imagemake.core.files import write_whole
from imagemake.core.problems import Problem, UserError
from imagemake.images.source_files import SourceImages
from imagemake.plan.batches import ALL
from imagemake.plan.inventory import Inventory
from imagemake.plan.requests.catalog import read_catalog
from imagemake.plan.reviews import REVIEWS
from imagemake.plan.state import State
from imagemake.plan.target import Target
from imagemake.release.record import RESULTS
from imagemake.stages.postprocess.job import postprocess_digests
from imagemake.store.journal import read_calls
from imagemake.store.kept_measures import keep_measures
from imagemake.store.layout import STORE, WORK
from imagemake.store.ledger import Tally
from imagemake.store.store import Store
from imagemake.store.submissions import Submissions
from imagemake.versions import history
from imagemake.versions.changes import Row, changes_between, read_files
from imagemake.versions.dvc import Dvc
from imagemake.versions.git import Git
from imagemake.versions.readiness import (
    ReleaseOptions,
    build_problems,
    gate_problems,
    git_problems,
    name_problems,
    result_problems,
)
from imagemake.versions.records import (
    MANIFEST_FILE,
    RECORD_FILE,
    RELEASES,
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
from imagemake.workflow.planner import Planner

MANIFEST = RESULTS / "manifest.parquet"
MADE_WITH = ("snakemake", "dvc", "pillow", "numpy", "opencv-python-headless")


@dataclass
class Releasing:
    """One release on its way.

    Attributes:
        campaign: What is wanted.
        wish: What is asked for.
        git: Of the project.
        dvc: Of the project.
    """

    campaign: Campaign
    wish: ReleaseOptions
    git: Git = field(default_factory=Git)
    dvc: Dvc = field(default_factory=Dvc)

    def problems(self) -> list[Problem]:
        """Return every reason against this release, in one go."""
        found = [*name_problems(self.wish.name), *git_problems(self.git, self.wish)]
        found += build_problems(self._states, self.wish)
        found += gate_problems(self.campaign, Planner(self.campaign).figures_of)
        waiting = [submission.id for submission in Submissions(STORE).all()]
        if waiting:
            what = f"{len(waiting):,} batches are open at the provider: what they bring would be in no release."
            remedy = "Wait and run `snakemake`, or see `imagemake batches` for --collect and --cancel."
            found.append(Problem("batches", what, remedy))
        for one in heads(self._others):
            if not _manifest_of(one.release).is_file():
                what = "the manifest of the release before is not here, so nobody can say what changed."
                found.append(Problem(str(_manifest_of(one.release)), what, "Fetch it: dvc pull releases"))
        if not any(problem.where == "the build" for problem in found):
            found += result_problems(self._target, self._states, MANIFEST)
        return found

    @cached_property
    def record(self) -> Record:
        """What the release is: the record that is there already where it tells the same, else a new one."""
        draft, kept = self._draft(), self._own_record
        if kept is None or not kept.record.is_same_as(draft):
            return draft
        is_over = self.git.has_tag(self.wish.name) if self.wish.git else True
        has_same_note = is_over or self.wish.note in ("", kept.record.note)  # a release keeps the note that it has
        return kept.record if has_same_note else draft

    def is_there(self) -> bool:
        """Say whether just this is released already.

        Raises:
            UserError: If the name stands for something else.
        """
        name = self.wish.name
        path = folder_of_release(name) / RECORD_FILE
        if not self.wish.git:
            if self._own_record is None:
                return False
            same = self._own_record.record == self.record
        elif self.git.has_tag(name):
            same = self.git.content(name, path) == self.record.to_json()
        else:
            return False
        if not same:
            what = f"{name!r} is released already, and the project has changed since."
            raise UserError(Problem("release", what, "Choose another name: a release does not change."))
        return True

    def make(self, tell: Callable[[str], None]) -> None:
        """Do it, step by step; each one can be repeated.

        Args:
            tell: Is told what is done.

        Raises:
            UserError: If DVC or git refuse; the same command goes on then.
        """
        record = self.record
        folder = folder_of_release(record.release)
        self._copy(MANIFEST, folder / MANIFEST_FILE)
        self._copy(REVIEWS, folder / REVIEWS_FILE)
        kept = [RESULTS / "metrics.json", folder, Path(".gitignore"), RESULTS / ".gitignore"]
        if self.dvc.is_there():
            tell("tracking store, images and tables with DVC")
            keep_measures(Store(STORE), WORK)
            kept += self.dvc.track(folder / MANIFEST_FILE)
        records = self._chain_with(record)
        for name, content in (
            (history.CHANGES_FILE, history.changes_of(records)),
            (history.HISTORY_FILE, history.history_of(records)),
        ):
            write_whole(RELEASES / name, content)
            kept.append(RELEASES / name)
        write_record(Path(), record)  # without git, this is what makes it a release
        if self.wish.git:
            tell("committing the record")
            words = f"{record.release}: {history.in_words(record)}"
            self.git.commit(self._git_paths(kept, folder), f"Release {words}")
            self.git.tag(record.release, words)

    def _git_paths(self, kept: Iterable[Path], folder: Path) -> list[Path]:
        in_folder = [RECORD_FILE, REVIEWS_FILE, ".gitignore"]
        if not self.dvc.is_there():
            in_folder.append(MANIFEST_FILE)
        others = [path for path in kept if path != folder]
        return [*others, *(folder / name for name in in_folder)]

    @cached_property
    def _target(self) -> Target:
        rows = read_catalog(Path(self.campaign.catalog))
        return Target(self.campaign, rows, ALL, "", files=SourceImages(cache=WORK / "images.json"))

    @cached_property
    def _states(self) -> list[State]:
        return self._target.states(Inventory(Store(STORE), WORK))

    @cached_property
    def _rows(self) -> list[Row]:
        return read_files(MANIFEST)

    @cached_property
    def _others(self) -> Mapping[str, StoredRecord]:
        try:
            return read_all(RELEASES, [name for name in names_in(RELEASES) if name != self.wish.name])
        except BadRecordError as error:
            remedy = "`imagemake verify` tells which one; git has it as it was: git log releases/"
            raise UserError(Problem(str(RELEASES), f"a record cannot be read: {error}", remedy)) from None

    @cached_property
    def _own_record(self) -> StoredRecord | None:
        try:
            return read_all(RELEASES, [self.wish.name])[self.wish.name]
        except (FileNotFoundError, BadRecordError):  # one that is half written is written anew
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
            release=self.wish.name,
            at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            note=self.wish.note,
            campaign=self.campaign.campaign,
            previous=follow,
            made_with=_versions(),
            metrics=orjson.loads((RESULTS / "metrics.json").read_bytes()),
            changes=changes_between([_manifest_of(one.release) for one in follow], self._rows),
            spent_usd=str(tally.billed_usd),
            spent_since_usd=str(tally.billed_usd - spent_before),
            cost_unknown=tally.cost_unknown - unknown_before,
            checks={
                name: check.model_dump(mode="json", exclude_none=True)
                for name, check in over_defaults(validation.checks).items()
            },
            measures=tuple(measure.identity for measure in validation.measures_needed()),
            step_digests=postprocess_digests(self.campaign.postprocess),
            config=_digests(
                [Path(CONFIG), Path(self.campaign.catalog), REVIEWS, *map(Path, self._target.files.by_path)]
            ),
            manifest=_digest(MANIFEST),
            reviews=_digest(REVIEWS) if REVIEWS.is_file() else None,
            journal=journal_prefixes(Store(STORE).journal_folder),
        )

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        if source.is_file() and not (target.is_file() and target.read_bytes() == source.read_bytes()):
            write_whole(target, source.read_bytes())


def _manifest_of(name: str) -> Path:
    return folder_of_release(name) / MANIFEST_FILE


def _digests(paths: Iterable[Path]) -> dict[str, str]:
    return {str(path): _digest(path) for path in sorted(set(paths)) if path.is_file()}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions() -> dict[str, str]:
    found = {"imagemake": __version__}
    for package in MADE_WITH:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
