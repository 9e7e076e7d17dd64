"""How open requests are divided into batches: as if all items were made before the first batch."""

import hashlib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.campaign import load_campaign
from imagemake.core.fingerprint import fingerprint
from imagemake.core.recipe import Recipe
from imagemake.plan.batches import batches_of, item_of
from imagemake.plan.call_modes import divide
from imagemake.plan.job_sizes import JobSizes
from imagemake.plan.requests.request import Request
from imagemake.plan.state import OPEN, Stage, State
from imagemake.store.items import table_bytes

MODELS = {"a": {"provider": "preview"}, "b": {"provider": "openai", "name": "gpt-image-2", "mode": "batch"}}
CAMPAIGN = load_campaign(
    {"campaign": "x", "catalog": "c.csv", "prompt": "A mug", "name": "{sku}", "more_models": MODELS, "batch_size": 3}
)
SUBMITTED, NO_QUOTA_LEFT = st.sampled_from(["", "", "", "one", "two"]), st.sampled_from([False] * 9 + [True])
OPEN_ONES = st.lists(st.tuples(st.sampled_from(OPEN), st.sampled_from("ab"), SUBMITTED, NO_QUOTA_LEFT), max_size=30)


def state_of(place, stage, label, has_next):
    settings = CAMPAIGN.more_models[label]
    recipe = Recipe(settings.provider or "", settings.name or "", f"Mug {place}", place)
    request = Request(f"s{place}", recipe, place, {}, 1, label)
    return State(request, recipe, recipe.key(), stage=stage, has_next=has_next)


def tried(key):
    return int(key, 16) % 3


def made_at_once(states, sizes):
    """Yield what `batches_of` yields, from all items of a stage."""
    settings = fingerprint([CAMPAIGN.model_dump(mode="json"), CAMPAIGN.validation.identities()])
    hands_over = any(state.has_next for state in states)
    for stage in OPEN:
        items = [item_of(state, CAMPAIGN.validation.columns_needed()) for state in states if state.stage is stage]
        is_first = stage is Stage.GENERATE
        items = [replace(item, hands_over=hands_over and is_first) for item in items]
        for group in divide(items, CAMPAIGN, sizes.submission_of) if is_first else [items]:
            size, why = sizes.of(stage, group)
            for start in range(0, len(group), size):
                part = group[start : start + size]
                calls = [tried(item.key) for item in part] if is_first else []
                digest = hashlib.sha256(f"{settings} {calls} ".encode() + table_bytes(part)).hexdigest()
                yield f"{stage}-{digest[:16]}", len(part), why, part


@given(OPEN_ONES)
def test_batches_are_those_of_all_items_in_their_order_though_made_one_at_a_time(open_ones):
    states = [state_of(place, stage, label, last) for place, (stage, label, _, last) in enumerate(open_ones)]
    submission_of = {state.key: one for state, (_, _, one, _) in zip(states, open_ones, strict=True) if one}
    sizes = JobSizes(CAMPAIGN, len(states), submission_of)
    found = [*batches_of(states, CAMPAIGN, tried, sizes)]
    at_once = [*made_at_once(states, sizes)]
    assert [(batch.id, batch.n_items, batch.why, items) for batch, items in found] == at_once
