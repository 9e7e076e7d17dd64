"""Whether a project can be released as it is: the build is complete, shown in results/, and committed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemake.core.problems import Problem, UserError
from imagemake.plan.batches import ALL
from imagemake.plan.gates import check_gates
from imagemake.plan.state import OPEN, Stage, State
from imagemake.release.record import RESULTS, is_current
from imagemake.versions.changes import released_files
from imagemake.versions.git import Git
from imagemake.versions.records import RECORD_FILE, RELEASES, names_in

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.target import Target

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
SHOWN = 5
WRITTEN_BY_BUILDS = (f"{RESULTS}/", f"{RELEASES}/", "work/", "logs/", ".snakemake/", "store/")


@dataclass(frozen=True, slots=True)
class ReleaseOptions:
    """What is asked for.

    Attributes:
        name: The release's name, which becomes a tag.
        note: What it is, for people.
        allow_review: Whether images may wait for a person.
        allow_missing: Whether requests may have no image: rejected, refused or held.
        git: Whether git is to know of it.
    """

    name: str
    note: str = ""
    allow_review: bool = False
    allow_missing: bool = False
    git: bool = True


def name_problems(name: str) -> Iterator[Problem]:
    """Say what is wrong with a release's name; it becomes a folder and a tag."""
    if not NAME.fullmatch(name) or ".." in name or name.endswith((".", ".lock")):
        what = f"{name[:120]!r} cannot be a release's name."
        yield Problem("release", what, "Use letters, digits, dots, dashes and underscores, such as v1.2.")


def git_problems(git: Git, wish: ReleaseOptions) -> Iterator[Problem]:
    """Say what keeps git from knowing what was released."""
    if not wish.git:
        return
    if not git.is_there():
        remedy = "Run `git init` and commit your work, or write the record alone with --no-git."
        yield Problem("git", "this project is in no git repository, so nothing would tell what was released.", remedy)
        return
    if not git.has_commit():
        yield Problem("git", "there is no commit yet.", "Run `git add -A && git commit -m Begin` first.")
        return
    if operation := git.operation():
        yield Problem("git", f"it is in the middle of something ({operation}).", "Finish or abort that first.")
    changed = [path for path in git.changed() if not _is_written_by_builds(path)]
    if changed:
        what = f"not committed: {_some(changed)}."
        yield Problem("git", what, "Commit these, or put them into .gitignore: a tag must tell what was released.")
    yield from _unfinished(git, wish.name)


def _unfinished(git: Git, name: str) -> Iterator[Problem]:
    committed = {Path(path).parent.name for path in git.committed(RELEASES) if path.endswith(f"/{RECORD_FILE}")}
    for other in names_in(RELEASES):
        if other == name:
            continue
        if other not in committed:
            remedy = f"Run `imagemake release {other}` again to finish it, or delete the folder."
            yield Problem(str(RELEASES / other), "this release was begun and not finished.", remedy)
        elif not git.has_tag(other):
            remedy = f"Run `git fetch --tags`; if it was never made, tag its commit: git tag -a {other} COMMIT."
            yield Problem(str(RELEASES / other), f"there is no tag {other!r} for this release.", remedy)


def build_problems(states: Sequence[State], wish: ReleaseOptions) -> Iterator[Problem]:
    """Say what is still to be made or decided."""
    by_stage: dict[Stage, list[str]] = {}
    for state in states:
        by_stage.setdefault(Stage.GENERATE if state.to_do else state.stage, []).append(state.request.name)
    still_open = [name for stage in OPEN for name in by_stage.get(stage, [])]
    if still_open:
        what = f"{len(still_open):,} of {len(states):,} images are still to be made: {_some(still_open)}."
        yield Problem("the build", what, "Run `snakemake`; `snakemake -n` tells why, and for how much.")
    waiting = by_stage.get(Stage.REVIEW, [])
    if waiting and not wish.allow_review:
        what = f"{len(waiting):,} images wait for a person: {_some(waiting)}."
        yield Problem("the review", what, "Run `imagemake review`, then `snakemake`; or release with --allow-review.")
    missing = [name for stage in (Stage.REJECTED, Stage.REFUSED, Stage.HELD) for name in by_stage.get(stage, [])]
    if missing and not wish.allow_missing:
        what = f"{len(missing):,} requests have no good image: {_some(missing)}."
        remedy = "results/review.csv tells why: edit their prompts, approve them, or release with --allow-missing."
        yield Problem("the build", what, remedy)


def result_problems(target: Target, states: Sequence[State], manifest: Path) -> Iterator[Problem]:
    """Say where ``results/`` is not what the store and the configuration would give.

    Args:
        target: What is wanted.
        states: Where each request stands.
        manifest: The release's, as Parquet.
    """
    if not is_current(target, states):
        yield Problem(str(RESULTS), "it does not show what is wanted now.", "Run `snakemake`; it costs no call.")
        return
    released = [(RESULTS / file, digest) for file, digest in released_files(manifest)]
    with ThreadPoolExecutor() as pool:
        digests = pool.map(_digest, (path for path, _ in released))
        changed = [path.name for (path, digest), now in zip(released, digests, strict=True) if now != digest]
    if changed:
        what = f"{len(changed):,} files are not as the manifest has them: {_some(changed)}."
        yield Problem(str(RESULTS / "images"), what, "Delete these files, and run `snakemake`; it costs no call.")


def gate_problems(campaign: Campaign, figures_of: Callable[[str], Mapping[str, Any]]) -> Iterator[Problem]:
    """Say which gates the stages before do not pass."""
    try:
        check_gates(campaign, ALL, figures_of)
    except UserError as error:
        yield from error.problems


def _is_written_by_builds(path: str) -> bool:
    return path.startswith(WRITTEN_BY_BUILDS) or path.endswith(".dvc") or path == "dvc.lock"


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN:,} more" if len(names) > SHOWN else shown
