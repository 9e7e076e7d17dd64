"""Good images that do not fit the other images: near-duplicates, and odd colors in a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from imagemake.config.similarity import NearDuplicates
from imagemake.plan.state import Policy, State
from imagemake.plugins.measures import Value
from imagemake.stages.validate.consistency import colored, odd_ones
from imagemake.stages.validate.earlier_releases import ComparedImage

if TYPE_CHECKING:
    from imagemake.plan.reviews import Review


def repeats(good: Sequence[State], policy: Policy, reviews: Mapping[str, Review]) -> dict[str, str]:
    """Find the good images that are near-duplicates of an earlier release: by name, the image that each repeats."""
    if policy.duplicates is None or policy.earlier is None:
        return {}
    images = {state.request.name: _phash(state) for state in good if state.key not in reviews}
    new = [
        ComparedImage(
            name=state.request.name,
            key=state.key,
            model=state.request.model or state.recipe.model,
            hash=str(found["hash"]),
            colors=str(found["colors"]),
        )
        for state in good
        if (found := images.get(state.request.name))
    ]
    limits = policy.duplicates
    return policy.earlier.repeated_by(
        new, limits.max_distance_bits, limits.max_color_levels, within_models=policy.compares_models
    )


def near_duplicates(
    kept: Sequence[State], good: Sequence[State], policy: Policy, reviews: Mapping[str, Review]
) -> dict[str, str]:
    """Find the good images that are near-duplicates of another one: by name, the name of the image that stays."""
    if policy.duplicates is None or not good:
        return {}
    models = {state.request.model for state in good} if policy.compares_models else {None}
    found: dict[str, str] = {}
    for model in models:
        of_model, good_of_model = (
            [state for state in states if model in (None, state.request.model)] for states in (kept, good)
        )
        found |= _near_duplicates_within(of_model, good_of_model, policy.duplicates, reviews)
    return found


def _near_duplicates_within(
    kept: Sequence[State], good: Sequence[State], limits: NearDuplicates, reviews: Mapping[str, Review]
) -> dict[str, str]:
    approved = [state for state in good if state.key in reviews]
    others = sorted((state for state in good if state.key not in reviews), key=lambda state: state.request.name)
    order = [state for state in (*kept, *approved, *others) if _phash(state)]
    import numpy as np

    from imagemake.stages.validate.near_duplicates import near_duplicates_of_earlier

    hashes = [int(str(_phash(state)["hash"]), 16) for state in order]
    colors = [list(bytes.fromhex(str(_phash(state)["colors"]))) for state in order]
    dropped = near_duplicates_of_earlier(
        np.array(hashes, dtype=np.uint64),
        limits.max_distance_bits,
        colors=np.array(colors, dtype=np.uint8).reshape(len(order), -1) if order else None,
        max_color_levels=limits.max_color_levels,
    )
    protected = {state.request.name for state in (*kept, *approved)}
    return {
        order[index].request.name: order[of].request.name
        for index, of in dropped.items()
        if order[index].request.name not in protected
    }


def odd_colors(
    kept: Sequence[State], good: Sequence[State], policy: Policy, reviews: Mapping[str, Review]
) -> dict[str, str]:
    """Find the good images whose colors differ from those of their group: by name, the difference in words."""
    if policy.consistency is None or not good:
        return {}
    by = policy.consistency.by
    seen = [colored(state.request.name, state.request.variables, state.measured, by) for state in (*kept, *good)]
    found = odd_ones([image for image in seen if image is not None], policy.consistency)
    doubtful = {state.request.name for state in good if state.key not in reviews}
    return {name: words for name, words in found.items() if name in doubtful}


def _phash(state: State) -> Mapping[str, Value]:
    found = next((values for identity, values in state.measured.items() if identity.startswith("phash@")), {})
    return found if "hash" in found else {}  # otherwise the measure failed, and a reviewer approved the image
