"""Images that do not fit the other images: near-duplicates, and odd colors in a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from imagemake.config.similarity import NearDuplicates
from imagemake.config.verdict_codes import VerdictCode
from imagemake.plan.state import Policy, Stage, State
from imagemake.stages.validate.consistency import colored, odd_ones, unlike_parents
from imagemake.stages.validate.earlier_releases import ComparedImage
from imagemake.stages.validate.verdict import Reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imagemake.plan.reviews import Review
    from imagemake.stages.validate.near_duplicates import Near
    from imagemake.stages.validate.prints import Prints, Rows


def compare_good(
    kept: Sequence[State], good: Sequence[State], policy: Policy, reviews: Mapping[str, Review]
) -> list[State]:
    """Give good images that do not fit the others their reasons, and send them to review; return the rejected ones."""
    near = _repeats(good, policy, reviews)
    near |= _near_duplicates(kept, [state for state in good if state.request.name not in near], policy, reviews)
    always = policy.duplicates is not None and policy.duplicates.outcome == "reject"
    # Another candidate is free, so it is better than a question.
    rejected = [
        state
        for state in good
        if (found := near.get(state.request.name)) and (always or found.is_same or state.next_best)
    ]
    names = {state.request.name for state in rejected}
    odd = _odd_colors(kept, [state for state in good if state.request.name not in names], policy, reviews)
    for state in good:
        name = state.request.name
        if name in near:
            state.reasons = (Reason.of(VerdictCode.NEAR_DUPLICATE, other=near[name]),)
        if name in odd:
            state.reasons += (Reason.of(VerdictCode.CONSISTENCY, difference=odd[name]),)
            if policy.consistency is not None and policy.consistency.outcome == "reject":
                rejected.append(state)
                continue
        if state.reasons and name not in names:
            state.stage = Stage.REVIEW
    return rejected


def name_repeats_in_review(
    kept: Sequence[State], waiting: Sequence[State], policy: Policy, reviews: Mapping[str, Review]
) -> None:
    """Add to the reasons of images that await review what they repeat: whoever decides should know."""
    told: list[State] = []
    images: list[State] = []
    for state in waiting:
        is_told = any(reason.code == VerdictCode.NEAR_DUPLICATE for reason in state.reasons)
        (told if is_told else images).append(state)
    near = _near_duplicates([*kept, *told], images, policy, reviews) | _repeats(images, policy, reviews)
    for state in images:
        if found := near.get(state.request.name):
            state.reasons += (Reason.of(VerdictCode.NEAR_DUPLICATE, other=found),)


def _repeats(images: Sequence[State], policy: Policy, reviews: Mapping[str, Review]) -> dict[str, Near]:
    """Find the images that are near-duplicates of an earlier release: by name, the image that each repeats."""
    if policy.duplicates is None or policy.earlier is None:
        return {}
    new = [
        ComparedImage(
            name=state.request.name,
            key=state.key,
            model=state.request.model or state.recipe.model,
            hash=found[0],
            colors=found[1],
        )
        for state in images
        if state.key not in reviews and (found := phash_of(state))
    ]
    from imagemake.stages.validate.prints import Alike

    return policy.earlier.repeated_by(new, Alike.by(policy.duplicates), within_models=policy.compares_models)


def _near_duplicates(
    kept: Sequence[State], images: Sequence[State], policy: Policy, reviews: Mapping[str, Review]
) -> dict[str, Near]:
    """Find the images that are near-duplicates of another one: by name, the image that stays.

    Args:
        kept: Images that stay in any case.
        images: Images to compare with them and with each other; of these, what a reviewer approved stays.
        policy: What counts as near.
        reviews: What reviewers decided, by key.
    """
    if policy.duplicates is None or not images:
        return {}
    models = {state.request.model for state in images} if policy.compares_models else {None}
    found: dict[str, Near] = {}
    for model in models:
        of_model, images_of_model = (
            [state for state in states if model in (None, state.request.model) and phash_of(state)]
            for states in (kept, images)
        )
        found |= _near_within(of_model, images_of_model, policy.duplicates, reviews)
    return found


def _near_within(
    kept: Sequence[State], images: Sequence[State], limits: NearDuplicates, reviews: Mapping[str, Review]
) -> dict[str, Near]:
    import numpy as np

    from imagemake.stages.validate.near_duplicates import described, first_near, near_duplicates_of_earlier
    from imagemake.stages.validate.prints import SAME, Alike

    images = sorted(images, key=lambda state: state.request.name)
    place_of = {state.request.name: place for place, state in enumerate(images)}
    staying = [*kept, *(state for state in images if state.key in reviews)]
    others = [state for state in images if state.key not in reviews]
    known, new, alike = _prints(staying), _prints(others), Alike.by(limits)
    known_place = np.array([place_of.get(state.request.name, -1) for state in staying], dtype=np.intp)
    new_place = np.array([place_of[state.request.name] for state in others], dtype=np.intp)

    def counts(row: Rows, position: Rows) -> NDArray[np.bool_]:
        # Whoever approved an image has seen what it is near. That one, which stayed before, is not doubted afterwards.
        return (known_place[position] < new_place[row]) | SAME.holds(new.of(row), known.of(position))

    any_pair = limits.outcome == "reject"
    of_known = first_near(new, known, alike, (lambda row, _: row >= 0) if any_pair else counts)
    rest = np.array([row for row in range(len(others)) if row not in of_known], dtype=np.intp)
    dropped = near_duplicates_of_earlier(new.of(rest), alike)
    found: dict[str, Near] = {}
    for pairs, rows, against in (
        (of_known, np.arange(len(others)), staying),
        (dropped, rest, [others[r] for r in rest]),
    ):
        places = rows[list(pairs)]
        near = [against[position] for position in pairs.values()]
        names = [state.request.name for state in near]
        told = described(new.of(places), _prints(near), names, alike)
        found |= {others[place].request.name: one for place, one in zip(places, told, strict=True)}
    return found


def _odd_colors(
    kept: Sequence[State], good: Sequence[State], policy: Policy, reviews: Mapping[str, Review]
) -> dict[str, str]:
    """Find the good images with other colors than their group or their parent: by name, the difference in words."""
    if policy.consistency is None or not good:
        return {}
    by = policy.consistency.by
    seen = [colored(state.request.name, state.request.variables, state.measured, by) for state in (*kept, *good)]
    found = odd_ones([image for image in seen if image is not None], policy.consistency)
    for state in good:
        parents = {parent.request.name: parent.measured for parent in state.parents}
        if words := unlike_parents(state.measured, parents, policy.consistency):
            found[state.request.name] = words
    doubtful = {state.request.name for state in good if state.key not in reviews}
    return {name: words for name, words in found.items() if name in doubtful}


def phash_of(state: State) -> tuple[str, str] | None:
    """Return hash and colors of a request's current image as hexadecimal digits, or None if they were not measured."""
    for identity, values in state.measured.items():
        if identity.startswith("phash@") and "hash" in values:  # without a hash, the measure failed on this image
            return str(values["hash"]), str(values["colors"])
    return None


def _prints(states: Sequence[State]) -> Prints:
    from imagemake.stages.validate.prints import Prints

    return Prints.from_digits(digits for state in states if (digits := phash_of(state)))
