"""Which candidate of an attempt a request goes on with, and which one takes its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from imagemake.config.verdict_codes import VerdictCode
from imagemake.plan.candidates import CandidatePolicy, ranked
from imagemake.plan.state import Stage, State
from imagemake.stages.validate.verdict import Reason, Status, Verdict, flat

if TYPE_CHECKING:
    from imagemake.plan.reviews import Review


def choose_best(
    state: State,
    judged: Sequence[tuple[State, Verdict]],
    policy: CandidatePolicy,
    reviews: Mapping[str, Review],
) -> Verdict:
    """Let a request go on with the best of its attempt's candidates, and return that one's verdict.

    The best are the accepted ones, then those in review, then the rejected ones.

    Args:
        state: Where the request stands; the other candidates become part of its past.
        judged: Each candidate with its verdict.
        policy: Scores candidates.
        reviews: What people decided, by key; an approved candidate comes before all others.
    """
    best_status = next(
        status for status in Status if any(verdict.status is status for _, verdict in judged)
    )  # in the order of the enum
    group = [rival for rival, verdict in judged if verdict.status is best_status]
    scores = [policy.score(flat(rival.measured)) for rival in group]
    approved = [(review := reviews.get(rival.key)) is not None and review.decision == "approve" for rival in group]
    # The first rejected one stands for all of them: what a reviewer asks for may be about any of them. An attempt is
    # refused only if all of them are.
    by_stage = sorted(range(len(group)), key=lambda place: group[place].stage is Stage.REFUSED)
    order = by_stage if best_status is Status.REJECTED else ranked(zip(approved, scores, strict=True))
    best, *others = [group[place] for place in order]
    if best_status is not Status.ACCEPTED:
        others = []
    score_of = {rival.key: score for rival, score in zip(group, scores, strict=True)}
    for rival, _ in judged:
        if rival is best:
            continue
        reasons = rival.reasons
        if rival in others:
            reasons = (Reason.of(VerdictCode.NOT_BEST, score=score_of[rival.key], best=score_of[best.key]),)
        state.past += (rival.as_past(reasons),)
    become(state, best)
    state.next_best = tuple(others)
    return next(verdict for rival, verdict in judged if rival is best)


def take_next_best(state: State) -> bool:
    """Replace an image that is nearly another request's by the next best candidate; False where none is left."""
    if not state.next_best:
        return False
    best, *others = state.next_best
    state.past = (*(past for past in state.past if past.key != best.key), state.as_past())
    state.next_best = tuple(others)
    become(state, best)
    state.is_chosen = True
    return True


def become(state: State, rival: State) -> None:
    """Let a request stand where one of its candidates stands."""
    told = ("measured", "reasons", "review", "questions", "by_person")
    for name in ("recipe", "key", "stage", "why", "raw", "candidate", *told):
        setattr(state, name, getattr(rival, name))
