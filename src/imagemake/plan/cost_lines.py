"""What a run will cost, in words: now, for attempts that may follow, and against the budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from imagemake.config.attempts import Remedy
from imagemake.config.models import is_by_gpu_hour, load_models, worst_usd
from imagemake.config.several_models import settings_of
from imagemake.core.text import counted
from imagemake.plan.estimate import Estimate
from imagemake.plan.state import State
from imagemake.plugins.providers import provider_class
from imagemake.store.spending import spent_in

if TYPE_CHECKING:
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.target import Target


def cost_lines(
    to_generate: Sequence[State],
    to_validate: Sequence[State],
    target: Target,
    inventory: Inventory,
    following: Sequence[State] = (),
) -> Iterator[str]:
    """Yield lines about the cost of a run.

    Args:
        to_generate: Images to buy, or to collect from the provider.
        to_validate: Images that exist, and may be rejected.
        target: The target.
        inventory: What is in the store and the journal.
        following: Images that are made from images of this run.
    """
    prices = _Prices(target, inventory)
    to_buy = [state for state in to_generate if not state.is_submitted]
    submitted = len(to_generate) - len(to_buy)
    if submitted:
        yield f"  {submitted:,} of these already at the provider: collecting them costs nothing more."
    if to_generate:
        yield from _now(to_buy, prices)
    yield from _following(following, target, prices)
    yield from _later([*to_generate, *to_validate, *following], target, prices)
    yield from _next_models(to_buy, to_validate, target, prices)
    if to_generate:
        yield from _budget(to_buy, target, inventory, prices)


class _Prices:
    """Estimates what images of a campaign cost."""

    def __init__(self, target: Target, inventory: Inventory) -> None:
        self.table = load_models(target.campaign.models)
        self._campaign, self._learned = target.campaign, inventory.journal.costs

    def add(self, estimate: Estimate, state: State, n: int = 1) -> None:
        """Add `n` images like that of a state to an estimate."""
        model = self.table.of(state.recipe)
        in_batch = settings_of(state.request.model, self._campaign).in_batches(can_wait=state.can_wait)
        unknown = estimate.unknown
        estimate.add(model, state.recipe, self._learned, batch=in_batch, n=n)
        if estimate.unknown > unknown:
            estimate.bound(self.most_usd(state), n)

    def most_usd(self, state: State) -> float | None:
        """Return the most that one image like that of a state can cost; None if it is unknown."""
        model = self.table.of(state.recipe)
        in_batch = settings_of(state.request.model, self._campaign).in_batches(can_wait=state.can_wait)
        longest_s = self._campaign.limits.timeout_s
        worst = worst_usd(model, state.recipe, batch=in_batch, longest_s=longest_s) if model else None
        return None if worst is None else float(worst)


def _now(to_buy: Sequence[State], prices: _Prices) -> Iterator[str]:
    by_model: dict[str, Estimate] = {}
    for state in to_buy:
        prices.add(by_model.setdefault(state.request.model, Estimate()), state)
    total = sum(by_model.values(), start=Estimate())
    yield f"  Cost: {total}."
    if len(by_model) > 1:
        for label, of_model in sorted(by_model.items()):
            yield f"    {label}: {counted(of_model.images, 'image')}, {of_model}"
    if total.learned:
        yield f"  For {counted(total.learned, 'image')}, that is what earlier calls of the same size and quality cost."


def _following(states: Sequence[State], target: Target, prices: _Prices) -> Iterator[str]:
    estimate = Estimate()
    for state in states:
        prices.add(estimate, state, target.campaign.candidates.n)
    if not estimate.is_free:
        yield f"  For images made from images of this run: up to {counted(estimate.images, 'call')}, {estimate}."


def _later(states: Sequence[State], target: Target, prices: _Prices) -> Iterator[str]:
    campaign, most, further = target.campaign, 0, Estimate()
    for state in {state.request.name: state for state in states}.values():  # candidates are of one request
        left = campaign.attempts.max - 1 - (state.attempt - state.by_model_from)
        if left > 0:
            most = max(most, left)
            # Those of `mode: auto` may be too few for a batch.
            one_by_one = replace(state, can_wait=False) if state.can_wait else state
            prices.add(further, one_by_one, left * campaign.candidates.n)
    if not further.is_free:
        more = f"up to {counted(most, 'more attempt')} each, at most {counted(further.images, 'image')}, {further}"
        yield f"  If images are rejected: {more}."


def _next_models(
    to_buy: Sequence[State], to_validate: Sequence[State], target: Target, prices: _Prices
) -> Iterator[str]:
    by_models: dict[tuple[str, str], Estimate] = {}
    policy = target.campaign.attempts.policy
    codes = ", ".join(code for code, remedy in policy.items() if remedy is Remedy.NEXT_MODEL)
    for state in [*to_buy, *(to_validate if codes else ())]:
        if (spare := state.request.spare) is not None:
            estimate = by_models.setdefault((state.request.model, spare.model), Estimate())
            prices.add(estimate, replace(state, request=spare, recipe=spare.recipe, can_wait=False))
    for (label, other), estimate in by_models.items():
        most = f"at most {counted(estimate.images, 'image')}, {estimate}"
        why = f"refuses images, has no quota left, or makes images that are rejected ({codes})"
        why = why if codes else "refuses images or has no quota left"
        yield f"  If {label} {why}, {other} makes them: {most}."


def _budget(to_buy: Sequence[State], target: Target, inventory: Inventory, prices: _Prices) -> Iterable[str]:
    budget = target.campaign.budget_usd
    if budget.run is not None:
        yield f"  Budget of this run: ${budget.run:,.2f}. Images that do not fit are left out."
    if budget.campaign is not None:
        spent = spent_in(inventory.store.journal_folder, target.campaign.campaign)
        yield f"  Budget of the campaign: ${budget.campaign:,.2f}, of which ${spent:,.2f} is spent."
    if not budget.is_limited:
        return
    unpriced = Counter(
        (state.recipe.provider, state.recipe.model, bool(state.recipe.references))
        for state in to_buy
        if not _is_free(state, prices) and prices.most_usd(state) is None
    )
    for (provider, name, has_references), n in unpriced.items():
        why = "the price of an image with reference images is unknown" if has_references else "its price is unknown"
        left_out = f"{counted(n, 'image')} of {name} will be LEFT OUT, because {why} and could exceed the budget"
        yield f"  {left_out}. Set the most that one image can cost, in USD, such as"
        yield f"    models: {{{provider}: {{{name}: {{max_usd_per_image: 0.25}}}}}}"


def _is_free(state: State, prices: _Prices) -> bool:
    return not provider_class(state.recipe.provider).paid and not is_by_gpu_hour(prices.table.of(state.recipe))
