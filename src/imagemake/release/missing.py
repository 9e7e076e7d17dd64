"""Which images of a release are missing, and why: what the exit status of a run is decided by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from imagemake.plan.parents import waits_for_person
from imagemake.plan.state import Stage, State
from imagemake.release.record import read_record
from imagemake.store.layout import results_folder

# In the order of the sentence. What is done, and what awaits review by the campaign's own rules, is not missing.
_WORDS = {
    Stage.WAITING: "made from images that are missing",
    Stage.REFUSED: "refused by the provider",
    Stage.REJECTED: "rejected in every attempt",
    Stage.KEPT: "paid for, but not fetched yet",
    Stage.HELD: "held back, since a call may have been billed",
    Stage.GENERATE: "not made",
    Stage.VALIDATE: "not validated",
    Stage.JUDGE: "not judged",
    Stage.REWRITE: "rejected, and not rewritten yet",
    Stage.POSTPROCESS: "not postprocessed",
}


def missing_counts(states: Iterable[State], names: Iterable[str]) -> Mapping[str, int]:
    """Count the requested images that are neither done nor awaiting review.

    Args:
        states: Where each request stands.
        names: Of the requests that were asked for.
    """
    asked = set(names)
    stages = Counter(
        state.stage
        for state in states
        if state.request.name in asked and state.stage in _WORDS and not _waits_for_review(state)
    )
    return {stage.value: n for stage, n in stages.items()}


def _waits_for_review(state: State) -> bool:
    return state.stage is Stage.WAITING and waits_for_person(state)


def missing_words(scope: str) -> str | None:
    """Return one line about what is missing from the release of a scope; None if nothing is."""
    folder = results_folder(scope)
    missing = read_record(folder).get("missing") or {}
    if not missing:
        return None
    parts = [f"{missing[stage]:,} {words}" for stage, words in _WORDS.items() if missing.get(stage)]
    n = sum(missing.values())
    images = "1 image is" if n == 1 else f"{n:,} images are"
    return f"imagemake: {images} missing from {folder}/: {', '.join(parts)}. {folder}/index.html has the reasons."
