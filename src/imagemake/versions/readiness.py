"""Checks whether a project can be released: the build is complete, results/ is current, and everything is committed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemake.core.hashing import each_sha256
from imagemake.core.problems import Problem, UserError
from imagemake.plan.gates import check_gates
from imagemake.plan.state import OPEN, Stage, State
from imagemake.release.current import is_current
from imagemake.release.manifest.reading import released_files
from imagemake.store.layout import ALL, IMAGES, RELEASES, RESULTS, STORE, WORK
from imagemake.versions.git import Git
from imagemake.versions.records import RECORD_FILE, names_in

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.target import Target

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
SHOWN = 5
GIVEN_UP = (Stage.REJECTED, Stage.REFUSED, Stage.KEPT, Stage.HELD, Stage.WAITING)
WRITTEN_BY_BUILDS = (f"{RESULTS}/", f"{RELEASES}/", f"{WORK}/", "logs/", ".snakemake/", "dvc_plots/", f"{STORE}/")


@dataclass(frozen=True, slots=True)
class ReleaseOptions:
    """Options of a release.

    Attributes:
        name: Name of the release, which becomes a tag.
        note: Description for readers.
        allow_review: Whether images may await review.
        allow_missing: Whether requests may have no image because they were rejected, refused, or held.
        git: Whether to commit and tag the release in git.
    """

    name: str
    note: str = ""
    allow_review: bool = False
    allow_missing: bool = False
    git: bool = True


def name_problems(name: str) -> Iterator[Problem]:
    """Yield what is wrong with a release's name, which becomes a folder and a tag."""
    if not NAME.fullmatch(name) or ".." in name or name.endswith((".", ".lock")):
        what = f"{name[:120]!r} is not a valid release name."
        yield Problem("release", what, "Use letters, digits, dots, dashes, and underscores, such as v1.2.")


def git_problems(git: Git, options: ReleaseOptions) -> Iterator[Problem]:
    """Yield what prevents a git tag from identifying the release."""
    if not options.git:
        return
    if obstacle := git.obstacle():
        remedy = "If there is no repository, run `git init` and commit your work, or pass --no-git to write the record "
        remedy += "only. Otherwise, follow git's advice."
        what = f"this project is not in a git repository that can keep the record of a release: {obstacle}"
        yield Problem("git", what, remedy)
        return
    if not git.has_commit():
        yield Problem("git", "the repository has no commit.", "Run `git add -A && git commit -m Begin` first.")
        return
    if operation := git.operation():
        yield Problem("git", f"an operation is unfinished ({operation}).", "Finish or abort it first.")
    changed = [path for path in git.changed() if not _is_written_by_builds(path)]
    if changed:
        what = f"not committed: {_some(changed)}."
        yield Problem("git", what, "Commit these files or add them to .gitignore, so that the tag matches the release.")
    yield from _unfinished(git, options.name)


def _unfinished(git: Git, name: str) -> Iterator[Problem]:
    committed = {Path(path).parent.name for path in git.committed(RELEASES) if path.endswith(f"/{RECORD_FILE}")}
    for other in names_in(RELEASES):
        if other == name:
            continue
        if other not in committed:
            remedy = f"Run `imagemake release {other}` again to finish it, or delete the folder."
            yield Problem(str(RELEASES / other), "this release is unfinished.", remedy)
        elif not git.has_tag(other):
            remedy = f"Run `git fetch --tags`. If the tag never existed, create it: git tag -a {other} COMMIT"
            yield Problem(str(RELEASES / other), f"this release has no git tag {other!r}.", remedy)


def build_problems(states: Sequence[State], options: ReleaseOptions) -> Iterator[Problem]:
    """Yield what remains to be generated or decided."""
    by_stage: dict[Stage, list[str]] = {}
    for state in states:
        by_stage.setdefault(Stage.GENERATE if state.to_do else state.stage, []).append(state.request.name)
    still_open = [name for stage in OPEN for name in by_stage.get(stage, [])]
    if still_open:
        what = f"{len(still_open):,} of {len(states):,} images are not built yet: {_some(still_open)}."
        yield Problem("the build", what, "Run `snakemake`. To see the reasons and the cost first, run `snakemake -n`.")
    waiting = by_stage.get(Stage.REVIEW, [])
    if waiting and not options.allow_review:
        what = f"{len(waiting):,} images await review: {_some(waiting)}."
        yield Problem("the review", what, "Run `imagemake review`, then `snakemake`, or pass --allow-review.")
    missing = [name for stage in GIVEN_UP for name in by_stage.get(stage, [])]
    if missing and not options.allow_missing:
        what = f"{len(missing):,} requests have no accepted image: {_some(missing)}."
        remedy = "See the reasons in results/review.csv. Edit their prompts, approve them, or pass --allow-missing."
        yield Problem("the build", what, remedy)


def is_ready(known: Mapping[Stage, int], options: ReleaseOptions) -> bool:
    """Return whether nothing remains, by how many requests are at each stage: `build_problems` would yield nothing."""
    allowed = {
        Stage.DONE,
        *((Stage.REVIEW,) if options.allow_review else ()),
        *(GIVEN_UP if options.allow_missing else ()),
    }
    return all(stage in allowed for stage, count in known.items() if count)


def result_problems(target: Target, states: Sequence[State]) -> Iterator[Problem]:
    """Yield that ``results/`` is not what the store and the configuration produce, if it is not."""
    if not is_current(target, states):
        yield Problem(str(RESULTS), "the results are outdated.", "Run `snakemake`, which makes no calls.")


def file_problems(manifest: Path) -> Iterator[Problem]:
    """Yield which files in ``results/`` differ from the Parquet manifest, if any do."""
    released, again = tee(released_files(manifest))
    digests = each_sha256(RESULTS / file for file, _ in again)
    changed = [Path(file).name for (file, digest), now in zip(released, digests, strict=True) if now != digest]
    if changed:
        what = f"{len(changed):,} files differ from the manifest: {_some(changed)}."
        yield Problem(str(RESULTS / IMAGES), what, "Delete these files and run `snakemake`, which makes no calls.")


def gate_problems(campaign: Campaign, figures_of: Callable[[str], Mapping[str, Any]]) -> Iterator[Problem]:
    """Yield the gates that earlier stages do not pass."""
    try:
        check_gates(campaign, ALL, figures_of)
    except UserError as error:
        yield from error.problems


def _is_written_by_builds(path: str) -> bool:
    return path.startswith(WRITTEN_BY_BUILDS) or path.endswith(".dvc") or path == "dvc.lock"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN:,} more" if len(names) > SHOWN else shown
