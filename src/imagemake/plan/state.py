"""Where a request stands, and what in the campaign decides it: the plain data that planning passes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from imagemake.config.asked import NOTHING, Asked, Asker, Wanted
from imagemake.config.attempts import Attempts
from imagemake.config.checks import Checks
from imagemake.config.fields import MAIN
from imagemake.config.similarity import Consistency, NearDuplicates
from imagemake.core.recipe import Recipe
from imagemake.images.repair_mask import RepairMask
from imagemake.plan.candidates import CandidatePolicy
from imagemake.plan.reasons import RebuildReason, Why
from imagemake.stages.validate.earlier_releases import EarlierImages
from imagemake.stages.validate.verdict import Reason
from imagemake.store.items import Measured
from imagemake.store.store import StoredFile

if TYPE_CHECKING:
    from imagemake.plan.requests.request import Request
    from imagemake.plan.reviews import Review


class Stage(StrEnum):
    """What must happen next for a request."""

    GENERATE = "generate"
    VALIDATE = "validate"
    JUDGE = "judge"
    REWRITE = "rewrite"  # the image was rejected, and the next attempt's prompt is to be written
    POSTPROCESS = "postprocess"
    DONE = "done"
    REVIEW = "review"  # a reviewer decides
    REJECTED = "rejected"  # every attempt was rejected
    REFUSED = "refused"  # the provider refuses the prompt
    KEPT = "kept"  # a response was paid for and is kept, and its image may still come from its URL
    HELD = "held"  # a call may have been billed, and `limits.unknown` is 'hold'
    WAITING = "waiting"  # it is made from an image that is not accepted yet


_NOTHING: Mapping[str, Any] = {}

# A run can work on these.
OPEN = (Stage.GENERATE, Stage.VALIDATE, Stage.JUDGE, Stage.REWRITE, Stage.POSTPROCESS)


def _never(recipe: Recipe) -> bool:
    return False


def _cannot(state: State) -> bool:
    return False


def _nothing() -> Mapping[str, Any]:
    return _NOTHING  # one for all states: a first plan has a million


@dataclass(frozen=True, slots=True)
class Policy:
    """What in the campaign decides where a request stands.

    Attributes:
        checks: Limits by quantity, for each request.
        formats: Accepted file formats.
        size_as_requested: Whether to reject an image of another size than the requested one.
        measures: Identities of all measures that a verdict needs.
        duplicates: What counts as a near-duplicate; None where near-duplicates are allowed.
        compares_models: Whether `model` is a variable. If two models then make nearly the same image from the same
            prompt and seed, that is a result and not a fault.
        most_attempts: Attempts per request, including the first one.
        patches: Text to append to the prompt, by reason.
        hold_unknown: Whether a call with an unknown outcome keeps its key from being requested again.
        output_keys: Maps a raw image's digest to the keys of its finished images, by output, the main one first.
        candidate_policy: How many candidates each attempt has, and which one is the best.
        earlier: Images of earlier releases, which must not be made again; None where there are none.
        consistency: How far colors may be from those of a group; None where they are not compared.
        asked: What models are asked about images that other checks do not reject.
        edited: Questions that users edited, by the prompt that they are about.
        moderates: Identity of the moderation that is asked about each prompt; empty if none is.
        attempts: What follows a rejection, by its reason.
        rewriter: Who rewrites prompts of rejected images; None if nobody does.
        can_repair: Returns whether the model of a rejected image takes that image as a reference.
        takes_mask: Returns whether it is known to take a mask with it.
        ignores_seed: Returns whether a recipe's model makes the same image whatever the seed.
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
    asked: Asked = NOTHING
    edited: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    moderates: str = ""
    ignores_seed: Callable[[Recipe], bool] = _never
    attempts: Attempts = field(default_factory=Attempts)
    rewriter: Asker | None = None
    can_repair: Callable[[State], bool] = _cannot
    takes_mask: Callable[[State], bool] = _cannot


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier attempt, or a candidate that was not chosen; see `State` for the last four."""

    attempt: int
    recipe: Recipe
    key: str
    raw: StoredFile | None
    reasons: tuple[Reason, ...]
    made_by: str = ""
    note: str = ""
    by_person: bool = False
    mask: RepairMask | None = None


@dataclass(slots=True)
class State:
    """Where a request stands.

    Attributes:
        request: The request.
        recipe: The recipe of the current attempt.
        key: The recipe's key.
        attempt: The number of the current attempt, from 0.
        stage: What must happen next.
        why: Why that must happen; None where a run can do nothing.
        raw: The current attempt's image.
        measured: The values that were read from it, by measure identity.
        reasons: Why it was not simply accepted.
        output_key: The key of the finished image, for accepted images.
        finished: The finished image of the main output, once the images of all outputs exist.
        further: The finished images of the further outputs, by label.
        past: Earlier attempts and candidates.
        asked: The recipe that the next attempts derive from, where a reviewer or a model wrote another prompt.
        asked_at: The length of `past` at that time.
        candidate: The number of the candidate that the request stands at, from 0.
        open_candidates: What must be made or judged before the best candidate is known, or asked before the next
            attempt.
        next_best: Other good candidates, the best first.
        is_chosen: Whether the best of the attempt's candidates is known.
        review: What a reviewer decided about the current attempt's image.
        by_model_from: The first attempt by the current model; above 0 if other models made attempts before.
        instead_of: The model whose quota is used up, so that the current one makes the image; empty otherwise.
        has_next: Whether another model makes the image if the quota of the current one is used up.
        can_wait: Whether the current attempt goes into a batch of the provider if its model has ``mode: auto``.
        is_accepted: Whether its image passed all checks, so that others can be made from it.
        parents: Where the other images of the campaign stand that it is made from.
        obstacles: Of a waiting image: the images, however indirect, whose acceptance it waits for.
        questions: What models are asked about the current attempt's image.
        repaired: The rejected image that the current attempt repairs.
        mask: The parts of that image that may change; None if all of it may.
        made_by: What led to the current attempt: ``patch``, ``regenerate``, ``rewrite``, ``repair``, ``next_model``, or
            ``review``; empty for the first one.
        note: Why the attempt was not made by the remedy that the campaign asks for; empty otherwise.
        by_person: Whether a person decided about the current attempt's image because checks rejected it and the
            campaign's policy for that is ``person``.
    """

    request: Request
    recipe: Recipe
    key: str
    attempt: int = 0
    stage: Stage = Stage.GENERATE
    why: Why | None = None
    raw: StoredFile | None = None
    measured: Measured = field(default_factory=_nothing)
    reasons: tuple[Reason, ...] = ()
    output_key: str | None = None
    finished: StoredFile | None = None
    further: Mapping[str, StoredFile] = field(default_factory=_nothing)
    past: tuple[Past, ...] = ()
    asked: Recipe | None = None
    asked_at: int = 0
    candidate: int = 0
    open_candidates: tuple[State, ...] = ()
    next_best: tuple[State, ...] = ()
    is_chosen: bool = False
    review: Review | None = None
    by_model_from: int = 0
    instead_of: str = ""
    has_next: bool = False
    can_wait: bool = False
    is_accepted: bool = False
    parents: tuple[State, ...] = ()
    obstacles: tuple[State, ...] = ()
    questions: Sequence[Wanted] = ()
    repaired: StoredFile | None = None
    mask: RepairMask | None = None
    made_by: str = ""
    note: str = ""
    by_person: bool = False

    @property
    def model(self) -> str:
        """The model's label in more_models; empty where the model is chosen by its own name."""
        return "" if self.request.model == self.recipe.model else self.request.model

    @property
    def prompt(self) -> str:
        """The current attempt's prompt, without the instruction of a repair."""
        return self.recipe.prompt if self.repaired is None else (self.asked or self.request.recipe).prompt

    @property
    def files(self) -> dict[str, StoredFile]:
        """The finished images by output, the main one first; empty where one of them is missing."""
        return {MAIN: self.finished, **self.further} if self.finished else {}

    @property
    def to_ask(self) -> list[Wanted]:
        """The questions without an answer."""
        return [one for one in self.questions if one.identity not in self.measured]

    @property
    def to_do(self) -> tuple[State, ...]:
        """What a run can work on: the current attempt, or those of its candidates that have no verdict yet."""
        return self.open_candidates or ((self,) if self.stage in OPEN else ())

    @property
    def is_in_batch(self) -> bool:
        """Whether the current attempt already waits in a batch of the provider."""
        return self.why is not None and self.why.reason is RebuildReason.IN_A_BATCH

    @property
    def is_submitted(self) -> bool:
        """Whether the current attempt waits in a batch or a queue of the provider, so that nobody pays for it again."""
        return self.is_in_batch or (self.why is not None and self.why.reason is RebuildReason.IN_A_QUEUE)

    def as_past(self, reasons: tuple[Reason, ...] | None = None) -> Past:
        """Return the current attempt as an earlier one.

        Args:
            reasons: Why it is not the last one; by default, its own reasons.
        """
        told = self.reasons if reasons is None else reasons
        facts = self.made_by, self.note, self.by_person, self.mask
        return Past(self.attempt, self.recipe, self.key, self.raw, told, *facts)

    @property
    def failed_for(self) -> list[str]:
        """The reason codes of all earlier attempts, in order."""
        return [reason.code for past in self.past for reason in past.reasons]

    @property
    def patched_for(self) -> list[str]:
        """The reason codes since somebody last wrote another prompt, which is to be used as written."""
        return [reason.code for past in self.past[self.asked_at :] for reason in past.reasons]


def counts(states: Sequence[State]) -> Mapping[Stage, int]:
    """Return the number of requests by where they stand."""
    found = dict.fromkeys(Stage, 0)
    for state in states:
        found[state.stage] += 1
    return found
