"""What a run will do, why, and for how much: the text before Snakemake's own listing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from imagemake.config.model import settings_of
from imagemake.config.models import load_models
from imagemake.plan.batches import counts
from imagemake.plan.estimate import Estimate
from imagemake.plan.state import OPEN, Stage, State
from imagemake.store.journal import read_calls
from imagemake.store.layout import ALL, IMAGE
from imagemake.store.spending import spent_usd
from imagemake.store.submissions import Submission

if TYPE_CHECKING:
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.target import Target

MOST_REASONS = 6

ENDS = {
    Stage.DONE: "up to date",
    Stage.REVIEW: "awaiting review",
    Stage.REJECTED: "rejected",
    Stage.REFUSED: "refused by the provider",
    Stage.HELD: "on hold: a call may have been billed",
}
STARTS = {Stage.GENERATE: "to generate", Stage.VALIDATE: "to validate", Stage.POSTPROCESS: "to postprocess"}


def summary(
    target: Target,
    states: Sequence[State],
    open_ones: Sequence[State],
    inventory: Inventory,
    shared: Collection[str] = (),
) -> str:
    """Describe where the requests stand and what the run will do.

    Args:
        target: The target.
        states: Where each request stands.
        open_ones: The attempts that this run will work on.
        inventory: What is in the store, the tables, and the journal.
        shared: Keys that the team store has.
    """
    lines = [standing(target, counts(states))]
    for stage, words in STARTS.items():
        why = Counter(str(state.why) for state in open_ones if state.stage is stage)
        if why:
            lines.append(f"  {why.total():>7,} {words}: {_reasons(why)}")
    skipped = sum(state.stage in OPEN and state.request.name not in target.names for state in states)
    if skipped:
        lines.append(f"  {skipped:>7,} not in this run: `only` selects other images")
    to_generate = [state for state in open_ones if state.stage is Stage.GENERATE]
    lines += _from_team(to_generate, shared)
    lines += _money([state for state in to_generate if state.key not in shared], target, inventory)
    lines += _in_doubt([*to_generate, *(state for state in states if state.stage is Stage.HELD)], inventory)
    lines += open_batches(target, inventory.submissions, {state.key for state in states})
    if not open_ones:
        lines.append("  Nothing to do.")
    return "\n".join(lines)


def open_batches(target: Target, submissions: Sequence[Submission], wanted: Collection[str]) -> Iterable[str]:
    """Describe the open batches at the provider, and how many of their images no request needs anymore.

    Args:
        target: The target. Images that no request needs are known only for the whole campaign.
        submissions: The open submissions.
        wanted: Keys that requests stand at.
    """
    waiting = {key for submission in submissions for key in submission.calls.values()}
    if not submissions:
        return
    yield f"  Open at the provider: {_batches(len(submissions))} with {_n(len(waiting), 'image')}."
    orphans = len(waiting.difference(wanted)) if target.scope == ALL else 0
    if orphans:
        yield (
            f"  Of these, {_n(orphans, 'image')} no longer requested: billed anyway, unless you cancel the batch with "
            "`imagemake batches --cancel ID`."
        )


def _batches(count: int) -> str:
    return f"{count:,} batch{'' if count == 1 else 'es'}"


def standing(target: Target, ended: Mapping[Stage, int]) -> str:
    """Describe the target, and how many of its requests need no more work.

    Args:
        target: The target.
        ended: The number of requests by where they stand.
    """
    what = {ALL: ""}.get(target.scope, f" ({target.scope.removeprefix(IMAGE)})")
    requests = _n(sum(ended.values()), "request")
    lines = [f"imagemake: {target.campaign.campaign}{what}: {requests} from {target.campaign.catalog}"]
    lines += [f"  {ended[stage]:>7,} {words}" for stage, words in ENDS.items() if ended[stage] or stage is Stage.DONE]
    return "\n".join(lines)


def _reasons(why: Counter[str]) -> str:
    shown = [f"{words} ({n:,})" if len(why) > 1 else words for words, n in why.most_common(MOST_REASONS)]
    rest = len(why) - len(shown)
    return "; ".join([*shown, f"{_n(rest, 'other reason')}"] if rest > 0 else shown)


def _from_team(to_generate: Sequence[State], shared: Collection[str]) -> Iterable[str]:
    found = sum(state.key in shared for state in to_generate)
    if found:
        at_no_cost = ", at no cost" if found == len(to_generate) else ""
        yield f"  {found:,} of these from the team store{at_no_cost}."


def _money(to_generate: Sequence[State], target: Target, inventory: Inventory) -> Iterable[str]:
    if not to_generate:
        return
    waiting = sum(state.is_in_batch for state in to_generate)
    if waiting:
        yield f"  {waiting:,} of these already in a batch at the provider: collecting them costs nothing more."
    to_generate = [state for state in to_generate if not state.is_in_batch]
    by_model: dict[str, Estimate] = {}
    table = load_models(target.campaign.models)
    for state in to_generate:
        of_model = by_model.setdefault(state.request.model, Estimate())
        in_batch = settings_of(state.request.model, target.campaign).mode == "batch"
        of_model.add(
            table.get(state.recipe.provider, state.recipe.model), state.recipe, inventory.journal.costs, batch=in_batch
        )
    total = sum(by_model.values(), start=Estimate())
    again = target.campaign.attempts.max - 1
    more = f"; up to {_n(again, 'more attempt')} per rejected image" if again and not total.is_free else ""
    yield f"  Cost: {total}{more}."
    if len(by_model) > 1:
        for label, of_model in sorted(by_model.items()):
            yield f"    {label}: {_n(of_model.images, 'image')}, {of_model}"
    if total.learned:
        yield f"  For {_n(total.learned, 'image')}, that is what earlier calls of the same size and quality cost."
    yield from _budget(target, inventory)


def _in_doubt(states: Sequence[State], inventory: Inventory) -> Iterable[str]:
    histories = [inventory.journal.keys.get(state.key) for state in states]
    doubtful = [one for one in histories if one is not None and one.unknown and one.unknown_usd != 0]
    if doubtful:
        known = [one.unknown_usd for one in doubtful if one.unknown_usd is not None]
        most = f", at most ${sum(known):,.2f}" if len(known) == len(doubtful) else ""
        calls = _n(sum(one.unknown for one in doubtful), "earlier call")
        yield f"  {calls} without an answer may have been billed{most}."


def _budget(target: Target, inventory: Inventory) -> Iterable[str]:
    budget = target.campaign.budget_usd
    if budget.run is not None:
        yield f"  Budget of this run: ${budget.run:,.2f}. Images that do not fit are left out."
    if budget.campaign is not None:
        spent = spent_usd(read_calls(inventory.store.journal_folder), target.campaign.campaign)
        yield f"  Budget of the campaign: ${budget.campaign:,.2f}, of which ${spent:,.2f} is spent."


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
