"""Where a request can stand, and what of the campaign decides it: the plain data that planning passes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from imagemake.config.checks import Checks
from imagemake.config.fields import MAIN
from imagemake.config.similarity import Consistency, NearDuplicates
from imagemake.core.recipe import Recipe
from imagemake.plan.candidates import CandidatePolicy
from imagemake.stages.validate.earlier_releases import EarlierImages
from imagemake.stages.validate.verdict import Reason
from imagemake.store.items import Measured
from imagemake.store.store import StoredFile

if TYPE_CHECKING:
    from imagemake.plan.requests.request import Request
    from imagemake.plan.reviews import Review

IN_A_BATCH = "waiting in a batch"


class Stage(StrEnum):
    """What must happen next for a request."""

    GENERATE = "generate"
    VALIDATE = "validate"
    POSTPROCESS = "postprocess"
    DONE = "done"
    REVIEW = "review"  # a person decides
    REJECTED = "rejected"  # every attempt was rejected
    REFUSED = "refused"  # the provider will not make it
    HELD = "held"  # a call may have been billed, and `limits.unknown` is 'hold'


OPEN = (Stage.GENERATE, Stage.VALIDATE, Stage.POSTPROCESS)  # what a run can do something about


@dataclass(frozen=True, slots=True)
class Policy:
    """What of the campaign decides where a request stands.

    Attributes:
        checks: Ranges by quantity, for each request.
        formats: File formats that are accepted.
        size_as_requested: Whether another size than the requested one is a fault.
        measures: Identities of all measures that must have been read.
        duplicates: What near-duplicates are; None where they are allowed.
        compares_models: Whether `model` is a variable: that two models make nearly the same image of the same prompt
            and seed is then a result, and no fault.
        most_attempts: Attempts a request, the first included.
        patches: Text to append to the prompt, by reason.
        hold_unknown: Whether a call with unknown outcome keeps its key from being asked for again.
        finish_keys: From a raw image's digest to its finished images' keys, by output, the main one first.
        candidate_policy: How many candidates each attempt has, and which is the best.
        earlier: Images of earlier releases, which must not be made again; None where there are none.
        consistency: How far colors may be from those of a group; None where that is not asked.
    """

    checks: Checks
    formats: Sequence[str]
    size_as_requested: bool
    measures: Sequence[str]
    duplicates: NearDuplicates | None
    compares_models: bool
    most_attempts: int
    patches: Mapping[str, str]
    hold_unknown: bool
    output_keys: Callable[[str], Mapping[str, str]]
    candidate_policy: CandidatePolicy = field(default_factory=CandidatePolicy)
    earlier: EarlierImages | None = None
    consistency: Consistency | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """An attempt that was not good enough."""

    attempt: int
    recipe: Recipe
    key: str
    raw: StoredFile | None
    reasons: tuple[Reason, ...]


@dataclass(slots=True)
class State:
    """Where a request stands.

    Attributes:
        request: The request.
        recipe: The current attempt's.
        key: Its key.
        attempt: From 0.
        stage: What must happen next.
        why: Why, for what is open.
        raw: The current attempt's image.
        measured: What was read from it.
        reasons: Why it was not simply accepted.
        output_key: The finished image's, for accepted ones.
        finished: The finished image, where those of all outputs are there.
        further: Those of the further outputs, by label.
        past: Earlier attempts.
        asked: What the next attempts derive from where a person wrote another prompt.
        asked_at: How many of `past` were there before that.
        candidate: Which of the attempt's candidates this is, from 0.
        open_candidates: Those about which something must be done before the best one is known.
        next_best: Other good candidates, the best first.
        is_chosen: Whether the best of the attempt's candidates is known.
        review: What a person decided about the current attempt's image.
    """

    request: Request
    recipe: Recipe
    key: str
    attempt: int = 0
    stage: Stage = Stage.GENERATE
    why: str = ""
    raw: StoredFile | None = None
    measured: Measured = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    output_key: str | None = None
    finished: StoredFile | None = None
    further: Mapping[str, StoredFile] = field(default_factory=dict)
    past: list[Past] = field(default_factory=list)
    asked: Recipe | None = None
    asked_at: int = 0
    candidate: int = 0
    open_candidates: list[State] = field(default_factory=list)
    next_best: list[State] = field(default_factory=list)
    is_chosen: bool = False
    review: Review | None = None

    @property
    def files(self) -> dict[str, StoredFile]:
        """The finished images by output, the main one first; nothing where one of them is missing."""
        return {MAIN: self.finished, **self.further} if self.finished else {}

    @property
    def to_do(self) -> list[State]:
        """What a run can do something about: the current attempt, or those of its candidates that are not judged."""
        return self.open_candidates or ([self] if self.stage in OPEN else [])

    @property
    def failed_for(self) -> list[str]:
        """Reason codes of all earlier attempts, in their order."""
        return [reason.code for past in self.past for reason in past.reasons]

    @property
    def patched_for(self) -> list[str]:
        """The same, but of the attempts since a person wrote another prompt: it is meant as it was written."""
        return [reason.code for past in self.past[self.asked_at :] for reason in past.reasons]
