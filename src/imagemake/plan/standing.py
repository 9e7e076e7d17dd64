"""How a target stands, in words: all that a run with nothing to do says."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from imagemake.core.text import counted
from imagemake.plan.state import Stage
from imagemake.store.layout import ALL, IMAGE

if TYPE_CHECKING:
    from imagemake.plan.target import Target
    from imagemake.store.submissions import Submission

ENDS = {
    Stage.DONE: "up to date",
    Stage.REVIEW: "awaiting review",
    Stage.REJECTED: "rejected",
    Stage.REFUSED: "refused by the provider",
    Stage.KEPT: "paid for, and waiting for their image",
    Stage.HELD: "on hold: a call may have been billed",
    Stage.WAITING: "waiting for images that they are made from",
}


def open_batches(target: Target, submissions: Sequence[Submission], wanted: Collection[str]) -> Iterable[str]:
    """Describe the open batches with images at the provider, and how many of their images no request needs anymore.

    Args:
        target: The target. Images that no request needs are known only for the whole campaign.
        submissions: The open submissions.
        wanted: Keys that requests stand at.
    """
    submissions = [submission for submission in submissions if not submission.kind]  # the others tell of themselves
    waiting = {key for submission in submissions for key in submission.calls.values()}
    if not submissions:
        return
    yield f"  Open at the provider: {_batches(len(submissions))} with {counted(len(waiting), 'image')}."
    orphans = len(waiting.difference(wanted)) if target.scope == ALL else 0
    if orphans:
        wanted_no_more = f"{counted(orphans, 'image')} no longer requested"
        cancel = "unless you cancel the batch with `imagemake batches --cancel ID`"
        yield f"  Of these, {wanted_no_more}: billed anyway, {cancel}."


def _batches(count: int) -> str:
    return f"{count:,} batch{'' if count == 1 else 'es'}"


def standing(target: Target, ended: Mapping[Stage, int]) -> str:
    """Describe the target, and how many of its requests need no more work.

    Args:
        target: The target.
        ended: The number of requests by where they stand.
    """
    what = {ALL: ""}.get(target.scope, f" ({target.scope.removeprefix(IMAGE)})")
    requests = counted(sum(ended.values()), "request")
    lines = [f"imagemake: {target.campaign.campaign}{what}: {requests} from {target.campaign.catalog}"]
    lines += [f"  {ended[stage]:>7,} {words}" for stage, words in ENDS.items() if ended[stage] or stage is Stage.DONE]
    return "\n".join(lines)
