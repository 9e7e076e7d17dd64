"""Makes the outlook of a run from its plan; apart from the console, which must be imported quickly."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from imagemake.config.campaign import Campaign
from imagemake.config.models import load_models
from imagemake.config.several_models import settings_of
from imagemake.plan.estimate import Estimate
from imagemake.plan.inventory import Inventory
from imagemake.plan.state import Stage, State
from imagemake.workflow.console.outlook import Outlook


def outlook_of(
    states: Sequence[State],
    open_ones: Sequence[State],
    campaign: Campaign,
    inventory: Inventory,
    shared: Collection[str],
    *,
    n_settled: int = 0,
) -> Outlook:
    """Return what a run is expected to do.

    Args:
        states: Where each request stands.
        open_ones: The attempts that this run works on.
        campaign: The campaign.
        inventory: Has what earlier calls cost.
        shared: Keys that the team store has.
        n_settled: Number of further requests, which are done.
    """
    stages = [state.stage for state in states]
    to_do = [state.stage for state in open_ones]
    to_generate = [state for state in open_ones if state.stage is Stage.GENERATE]
    to_buy = [state for state in to_generate if state.key not in shared and not state.is_submitted]
    return Outlook(
        wanted=len(states) + n_settled,
        done=stages.count(Stage.DONE) + n_settled,
        review=stages.count(Stage.REVIEW),
        given_up=sum(stages.count(stage) for stage in (Stage.REJECTED, Stage.REFUSED, Stage.KEPT, Stage.HELD)),
        to_generate=len(to_generate),
        to_validate=to_do.count(Stage.VALIDATE),
        to_postprocess=to_do.count(Stage.POSTPROCESS),
        cost_usd=_cost_usd(to_buy, campaign, inventory),
        per_min=_per_min({state.request.model for state in to_buy}, campaign),
    )


def _cost_usd(states: Sequence[State], campaign: Campaign, inventory: Inventory) -> float | None:
    estimate, table = Estimate(), load_models(campaign.models)
    for state in states:
        in_batch = settings_of(state.request.model, campaign).in_batches(can_wait=state.can_wait)
        model = table.of(state.recipe)
        estimate.add(model, state.recipe, inventory.journal.costs, batch=in_batch)
    return None if estimate.unknown else estimate.usd


def _per_min(labels: Collection[str], campaign: Campaign) -> float | None:
    """Return the sum of the rates of all servers and models that have rates of their own."""
    lanes: dict[tuple[str | None, ...], float | None] = {}
    for label in labels:
        settings = settings_of(label, campaign)
        limits = settings.rates or campaign.limits
        own = (settings.name,) if settings.rates else ()
        rates = [rate for rate in (limits.images_per_min, limits.requests_per_min) if rate is not None]
        lanes[(*settings.connects_to.lane, *own)] = min(rates, default=None)
    known = [rate for rate in lanes.values() if rate is not None]
    return sum(known) if known and len(known) == len(lanes) else None
