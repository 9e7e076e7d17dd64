"""What images wait for that are made from other images of the campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from imagemake.config.references import OWN_IMAGE
from imagemake.config.verdict_codes import VerdictCode
from imagemake.core.text import counted
from imagemake.images.formats import FORMATS, in_words
from imagemake.images.source_files import SourceImage
from imagemake.plan.state import OPEN, Stage, State
from imagemake.stages.validate.verdict import Reason, flat

if TYPE_CHECKING:
    from imagemake.plan.inventory import Inventory
    from imagemake.store.store import StoredFile

_WHY = {
    Stage.GENERATE: "which is not made yet",
    Stage.VALIDATE: "which is not validated yet",
    Stage.JUDGE: "which is not judged yet",
    Stage.REWRITE: "which was rejected",
    Stage.REVIEW: "which awaits review",
    Stage.REJECTED: "which was rejected",
    Stage.REFUSED: "which the provider refused",
    Stage.KEPT: "which is paid for, but not fetched yet",
    Stage.HELD: "which is on hold: a call may have been billed",
}
MOST_TOLD = 3
SENT = tuple(one.extension for one in FORMATS.values() if one.is_reference)


def why_waiting(parents: Iterable[State]) -> tuple[Reason, ...]:
    """Return why an image cannot be made from these images yet; nothing if it can."""
    found = [
        Reason.of(VerdictCode.PARENT, name=parent.request.name, why=why) for parent in parents if (why := _why(parent))
    ]
    return tuple(found)


def _why(parent: State) -> str:
    if parent.stage is Stage.WAITING:
        first = parent.obstacles[0]
        return f"which waits for {first.request.name}, {_why(first)}"
    if not parent.is_accepted:
        return _WHY.get(parent.stage, "which is not accepted yet")
    if parent.raw is not None and parent.raw.extension not in SENT:
        kind = parent.raw.extension.upper()
        return f"whose file is {kind}, and providers accept only {in_words('and', references=True)}"
    return ""


def obstacles_among(parents: Sequence[State]) -> tuple[State, ...]:
    """Return the images at the beginning of all chains that keep an image waiting."""
    if len(parents) == 1:
        return parents[0].obstacles or tuple(parents)
    found: dict[str, State] = {}
    for parent in parents:
        if parent.stage is Stage.WAITING:
            found |= {one.request.name: one for one in parent.obstacles}
        elif _why(parent):
            found[parent.request.name] = parent
    return tuple(found.values())


def waiting_in(states: Iterable[State], names: Collection[str]) -> list[State]:
    """Return those of the named images that wait for others."""
    return [state for state in states if state.stage is Stage.WAITING and state.request.name in names]


def waits_for_run(state: State) -> bool:
    """Return whether a run may make a waiting image, because it can work on all that the image waits for."""
    return all(one.stage in OPEN and not one.is_accepted and not one.request.needs_approval for one in state.obstacles)


def waits_for_person(state: State) -> bool:
    """Return whether a waiting image only waits for reviews, so that nothing is wrong with it."""
    return all(one.stage is Stage.REVIEW for one in state.obstacles)


def waiting_lines(waiting: Sequence[State], inventory: Inventory) -> Iterator[str]:
    """Yield lines about images that wait for others: what this run may make of them, and what the others need.

    Args:
        waiting: The waiting images that the run was asked for.
        inventory: Knows which images were made before.
    """
    in_run = [state for state in waiting if waits_for_run(state)]
    if in_run:
        earlier = inventory.journal.last_recipe
        may_change = sum(state.request.name in earlier for state in in_run)
        kinds = {"to be made": len(in_run) - may_change, "made again unless the others come out the same": may_change}
        words = "; ".join(f"{what} ({n:,})" for what, n in kinds.items() if n)
        yield f"  {len(in_run):>9,} follow in this run, once the images that they are made from are accepted: {words}"
    rest = [state for state in waiting if not waits_for_run(state)]
    stuck = [state for state in rest if any(one.stage not in (*OPEN, Stage.REVIEW) for one in state.obstacles)]
    to_review = {one.request.name for state in rest for one in state.obstacles if one.stage in (*OPEN, Stage.REVIEW)}
    if len(rest) > len(stuck):
        n = len(rest) - len(stuck)
        yield f"  {n:>9,} follow after the review of {counted(len(to_review), 'image')}: imagemake review"
    blame = Counter((one.request.name, _why(one)) for state in stuck for one in state.obstacles)
    for (name, why), n in blame.most_common(MOST_TOLD):
        yield f"  {n:>9,} cannot be made without {name}, {why}"
    if len(blame) > MOST_TOLD:
        yield f"            and {counted(len(blame) - MOST_TOLD, 'other image')} that they are made from"


def images_of_parents(states: Iterable[State]) -> dict[str, SourceImage]:
    """Return the accepted images that others are made from, as measured, by their path in `Attached.references`."""
    found: dict[str, SourceImage] = {}
    for parent in (parent for state in states for parent in state.parents if parent.is_accepted):
        file = measured_file(parent)
        if file is not None:
            found[OWN_IMAGE + parent.request.name] = file
    return found


def measured_file(state: State) -> SourceImage | None:
    """Return what was measured of a raw image's file; None if it is not there or was not measured."""
    values = flat(state.measured)
    facts = [values.get(f"file.{name}") for name in ("bytes", "format", "width_px", "height_px", "has_alpha")]
    return SourceImage._make([state.raw.digest, *facts]) if state.raw is not None and None not in facts else None


def raw_of_parents(states: Iterable[State]) -> list[StoredFile]:
    """Return the files of the store's images that images which are to be generated are made from."""
    to_generate = [state for state in states if state.stage is Stage.GENERATE]
    found = {raw.digest: raw for state in to_generate for parent in state.parents if (raw := parent.raw)}
    found |= {state.repaired.digest: state.repaired for state in to_generate if state.repaired is not None}
    return list(found.values())
