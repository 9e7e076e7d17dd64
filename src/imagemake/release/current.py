"""Whether a target is up to date, by the states of its requests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.core.problems import UserError
from imagemake.plan.shown import release_digest, shown_of
from imagemake.plan.state import State
from imagemake.release.credentials.certificate import file_digest
from imagemake.release.credentials.signing import Seal, seal_of
from imagemake.release.manifest.row import MANIFEST_VERSION
from imagemake.release.output_file import ReleaseFile
from imagemake.release.place import is_as_released
from imagemake.release.record import FILES, digest_of_names, has_exports, images_digest, names_in, read_record
from imagemake.store.layout import IMAGE, IMAGES, PAGE_PARTS, RESULTS, SHEETS, results_folder

if TYPE_CHECKING:
    from imagemake.plan.target import Target


def outputs_of(scope: str) -> list[Path]:
    """Return the output files that the Snakemake rule of a target declares."""
    if scope.startswith(IMAGE):
        return [RESULTS / IMAGES / scope.removeprefix(IMAGE)]
    return [results_folder(scope) / name for name in FILES]


def is_current(target: Target, states: Sequence[State], shown: bytes | None = None) -> bool:
    """Return whether a target is up to date: writing it now would change nothing.

    Args:
        target: The target.
        states: Where its requests stand; for a release, those of `shown` are enough.
        shown: From `shown_of`, of all requests; by default, of these.
    """
    if target.scope.startswith(IMAGE):
        try:
            seal = seal_of(target.campaign) if target.campaign.c2pa else None
        except UserError:  # reported before the file is written
            return False
        return all(_is_there(target, state, seal) for state in target.asked_for(states))
    folder = results_folder(target.scope)
    record = read_record(folder)
    expected = {
        "digest": release_digest(shown_of(states) if shown is None else shown, target.campaign),
        "images": images_digest(target.campaign, folder),
        "certificate": file_digest(target.campaign.c2pa),
        "manifest_schema": MANIFEST_VERSION,
        **{part: digest_of_names(names_in(folder / part)) for part in (SHEETS, PAGE_PARTS)},
    }
    if record.get("unsigned") or any(record.get(name, "") != value for name, value in expected.items()):
        return False
    return all((folder / name).exists() for name in FILES) and has_exports(record, folder)


def _is_there(target: Target, state: State, seal: Seal | None) -> bool:
    path = RESULTS / IMAGES / target.scope.removeprefix(IMAGE)
    if state.finished is None or not path.is_file():
        return False
    wanted = ReleaseFile(state, target.file_names.output_of(state.request, path.name))
    return is_as_released(path, wanted, target.campaign.metadata, seal)
