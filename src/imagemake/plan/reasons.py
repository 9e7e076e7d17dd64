"""Why an image must be generated, validated, or postprocessed: every reason, its words, and how it is found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from imagemake.config.asked import MODERATION
from imagemake.core.recipe import Recipe
from imagemake.stages.validate.text_match import measure_of
from imagemake.stages.validate.verdict import UNDECODABLE_MEASURE, UNDECODABLE_QUANTITY
from imagemake.store.items import Measured
from imagemake.store.journal import Outcome

if TYPE_CHECKING:
    from imagemake.config.asked import Wanted
    from imagemake.plan.inventory import KeyHistory


class RebuildReason(Enum):
    """Why something must be made, as the plan, the log, and the report say it."""

    NEW = "new"
    KEY_CHANGED = "key changed"
    CANDIDATE_ADDED = "candidate added"
    NEXT_ATTEMPT = "attempt {number}"
    REWRITTEN = "attempt {number}, rewritten"
    REPAIRED = "attempt {number}, repaired"
    NOT_REWRITTEN = "attempt {number}, not rewritten ({fault})"
    NEXT_MODEL = "attempt {number}, next model"
    REFUSED_BY = "refused by {model}"
    NO_QUOTA = "{model} has no quota left"
    MISSING = "missing from the store"
    DAMAGED = "damaged in the store"
    FAILED_BEFORE = "failed before"
    NO_ANSWER = "call without an answer"
    IN_A_BATCH = "waiting in a batch"
    IN_A_QUEUE = "waiting in the provider's queue"

    NEVER_MEASURED = "never measured"
    CHECK_ADDED = "check added"
    TEXT_CHANGED = "text changed"
    MEASURE_CHANGED = "measure changed"

    NEVER_JUDGED = "never judged"
    QUESTION_CHANGED = "question added or changed"
    JUDGE_CHANGED = "judge changed"

    TO_REWRITE = "rejected"

    NEVER_POSTPROCESSED = "not postprocessed yet"
    POSTPROCESSING_CHANGED = "postprocessing changed"
    OUTPUT_ADDED = "output added"

    def because(self, names: Iterable[str] = (), **details: object) -> Why:
        """Return this reason with what it is about.

        Args:
            names: What changed, was added, or is missing; the words end with them.
            details: Values of the placeholders in the words.
        """
        return _shared(self, ": ".join(filter(None, (self.value.format_map(details), ", ".join(names)))))


@dataclass(frozen=True, slots=True)
class Why:
    """A reason, and the words for people."""

    reason: RebuildReason
    text: str

    def __str__(self) -> str:
        return self.text


@lru_cache(1_024)
def _shared(reason: RebuildReason, text: str) -> Why:
    return Why(reason, text)  # one for all requests of a first plan


def why_generate(
    recipe: Recipe, history: KeyHistory | None, last: Mapping[str, Any] | None, *, has_candidates: bool
) -> Why:
    """Say why the first attempt at a request is to be generated.

    Args:
        recipe: The recipe.
        history: What the journal knows about its key.
        last: The recipe of the last call for a request of this name.
        has_candidates: Whether each attempt has several candidates.
    """
    if history is not None:
        if history.was_made:
            return RebuildReason.MISSING.because()
        # A call waits without a submission where somebody removed the submission's file.
        no_answer = history.last in (Outcome.UNKNOWN, Outcome.WAITING)
        return (RebuildReason.NO_ANSWER if no_answer else RebuildReason.FAILED_BEFORE).because()
    if last is None:
        return RebuildReason.NEW.because()
    now = recipe.as_dict()
    changed = [name for name in sorted({*last, *now}) if last.get(name) != now.get(name)]
    if has_candidates and "seed" in changed:  # the last call was for another candidate
        changed.remove("seed")
    return RebuildReason.KEY_CHANGED.because(changed) if changed else RebuildReason.CANDIDATE_ADDED.because()


def why_validate(missing: Sequence[str], measured: Measured) -> Why:
    """Say why an image is to be measured.

    Args:
        missing: Identities of the measures that are missing.
        measured: All values that were ever read from it, by identity.
    """
    if not measured:
        return RebuildReason.NEVER_MEASURED.because()
    if any(UNDECODABLE_QUANTITY in values for values in measured.values()):
        return RebuildReason.MEASURE_CHANGED.because([UNDECODABLE_MEASURE])
    known = {identity.partition("@")[0] for identity in measured}
    names = dict.fromkeys(identity.partition("@")[0] for identity in missing)
    if added := [name for name in names if name not in known]:
        return RebuildReason.CHECK_ADDED.because(added)
    is_text = all(measure_of(identity) in measured for identity in missing)
    return (RebuildReason.TEXT_CHANGED if is_text else RebuildReason.MEASURE_CHANGED).because(names)


def why_judge(missing: Sequence[Wanted], known: Measured) -> Why:
    """Say why a model is to be asked about an image.

    Args:
        missing: The questions without an answer.
        known: All values that were ever told of it, by identity.
    """
    askers = {one.identity.partition("/")[0] for one in missing}
    before = {identity.partition("/")[0] for identity in known}
    if askers & before:
        return RebuildReason.QUESTION_CHANGED.because(dict.fromkeys(one.name or MODERATION for one in missing))
    names = {identity.partition("@")[0] for identity in askers}
    if names & {identity.partition("@")[0] for identity in before}:
        return RebuildReason.JUDGE_CHANGED.because(sorted(names))
    return RebuildReason.NEVER_JUDGED.because()


def why_postprocess(missing: Sequence[str], known: Collection[str], *, some: bool) -> Why:
    """Say why an image is to be postprocessed.

    Args:
        missing: Labels of the outputs that are missing.
        known: Labels of the outputs that were made from the image before, by whatever steps.
        some: Whether other outputs exist.
    """
    if not some:
        return (RebuildReason.POSTPROCESSING_CHANGED if known else RebuildReason.NEVER_POSTPROCESSED).because()
    if not known:
        return RebuildReason.NEVER_POSTPROCESSED.because(missing)
    changed, added = [one for one in missing if one in known], [one for one in missing if one not in known]
    labels = {RebuildReason.POSTPROCESSING_CHANGED: changed, RebuildReason.OUTPUT_ADDED: added}
    found = [reason.because(names) for reason, names in labels.items() if names]
    return Why(found[0].reason, ", ".join(map(str, found)))
