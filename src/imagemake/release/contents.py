"""Which files belong into a release."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from imagemake.plan.requests.sheet_groups import SheetGroup, sheet_groups
from imagemake.plan.state import Stage, State
from imagemake.release.manifest.sidecars import SUFFIX

if TYPE_CHECKING:
    from imagemake.plan.requests.request import Request
    from imagemake.plan.target import Target


def sheets_of(target: Target, states: Sequence[State]) -> dict[str, tuple[SheetGroup, list[State]]]:
    """Return the sheets of a release by file name, each with the states of its images, which are all done."""
    done = {state.request.name: state for state in states if state.stage is Stage.DONE}
    groups = sheet_groups(target.campaign, (state.request for state in done.values()))
    return {group.file_name: (group, [done[request.name] for request in group.requests]) for group in groups}


def names_in_images(target: Target, states: Sequence[State]) -> set[str]:
    """Return the names of all files that belong into ``images/``: images that are done, and their sidecars."""
    return names_of_files(target, (state.request for state in states if state.stage is Stage.DONE))


def names_of_files(target: Target, requests: Iterable[Request]) -> set[str]:
    """Return the names that files of requests have in ``images/``."""
    names = {name for request in requests for name in target.file_names.of(request).values()}
    return names | {f"{name}{SUFFIX}" for name in names} if target.campaign.metadata.sidecar else names
