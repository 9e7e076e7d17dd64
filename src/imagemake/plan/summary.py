"""What a run will do, why, and for how much: the text before Snakemake's own listing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from imagemake.config.checks import DOUBTFUL_MASK, MASK_DOUBT, MOST_DOUBT
from imagemake.core.text import counted
from imagemake.plan.cost_lines import cost_lines
from imagemake.plan.judging import judging_lines
from imagemake.plan.moderating import moderation_lines
from imagemake.plan.parents import waiting_in, waiting_lines, waits_for_run
from imagemake.plan.rewriting import rewriting_lines
from imagemake.plan.standing import open_batches, standing
from imagemake.plan.state import OPEN, Stage, State, counts

if TYPE_CHECKING:
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.target import Target

MOST_REASONS = 6

STARTS = {
    Stage.GENERATE: "to generate",
    Stage.VALIDATE: "to validate",
    Stage.JUDGE: "to judge",
    Stage.REWRITE: "to rewrite",
    Stage.POSTPROCESS: "to postprocess",
}


def summary(
    target: Target,
    states: Sequence[State],
    open_ones: Sequence[State],
    inventory: Inventory,
    shared: Collection[str] = (),
    *,
    is_current: bool = True,
    n_settled: int = 0,
) -> str:
    """Describe where the requests stand and what the run will do.

    Args:
        target: The target.
        states: Where each request stands.
        open_ones: The attempts that this run will work on.
        inventory: What is in the store, the tables, and the journal.
        shared: Keys that the team store has.
        is_current: Whether the release shows all that is known.
        n_settled: Number of further requests, which are done.
    """
    waiting = waiting_in(states, target.names)
    ended = {**counts(states)}
    ended[Stage.DONE] += n_settled
    lines = [standing(target, ended), *waiting_lines(waiting, inventory)]
    for stage, words in STARTS.items():
        why = Counter(str(state.why) for state in open_ones if state.stage is stage)
        if why:
            lines.append(f"  {why.total():>7,} {words}: {_reasons(why)}")
    skipped = sum(state.stage in OPEN and state.request.name not in target.names for state in states)
    if skipped:
        lines.append(f"  {skipped:>7,} not in this run: `only` selects other images")
    to_generate = [state for state in open_ones if state.stage is Stage.GENERATE]
    following = [state for state in waiting if waits_for_run(state)]
    lines += _from_team(to_generate, shared)
    to_pay = [state for state in to_generate if state.key not in shared]
    to_validate = [state for state in open_ones if state.stage is Stage.VALIDATE]
    if (to_generate or to_validate) and target.campaign.validation.checks.get(MASK_DOUBT) == DOUBTFUL_MASK:
        lines.append(f"  Images with a doubtful cut-out will await review: {MASK_DOUBT} above {MOST_DOUBT}.")
    lines += cost_lines(to_pay, to_validate, target, inventory, following)
    lines += judging_lines(open_ones, target.campaign, inventory)
    lines += rewriting_lines(open_ones, target.campaign, inventory)
    lines += moderation_lines(states, [*open_ones, *waiting], target.campaign, inventory)
    lines += _in_doubt([*to_generate, *(state for state in states if state.stage is Stage.HELD)], inventory)
    lines += open_batches(target, inventory.submissions, {state.key for state in states})
    if not open_ones:
        lines.append("  Nothing to do." if is_current else "  Nothing to generate; the release is updated.")
    return "\n".join(lines)


def _reasons(why: Counter[str]) -> str:
    shown = [f"{words} ({n:,})" if len(why) > 1 else words for words, n in why.most_common(MOST_REASONS)]
    rest = len(why) - len(shown)
    return "; ".join([*shown, f"{counted(rest, 'other reason')}"] if rest > 0 else shown)


def _from_team(to_generate: Sequence[State], shared: Collection[str]) -> Iterable[str]:
    found = sum(state.key in shared for state in to_generate)
    if found:
        at_no_cost = ", at no cost" if found == len(to_generate) else ""
        yield f"  {found:,} of these from the team store{at_no_cost}."


def _in_doubt(states: Sequence[State], inventory: Inventory) -> Iterable[str]:
    histories = [inventory.journal.keys.get(state.key) for state in states]
    doubtful = [one for one in histories if one is not None and one.unknown and one.unknown_usd != 0]
    if doubtful:
        known = [one.unknown_usd for one in doubtful if one.unknown_usd is not None]
        most = f", at most ${sum(known):,.2f}" if len(known) == len(doubtful) else ""
        calls = counted(sum(one.unknown for one in doubtful), "earlier call")
        yield f"  {calls} without an answer may have been billed{most}."
