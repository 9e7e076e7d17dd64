"""What reviewers do: each action checks what is asked, writes it down, and says what was done."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imagemake.core.problems import UserError
from imagemake.plan.reviews import NOTE, Review
from imagemake.review.choices import DONE_WORDS, WrongChoiceError, review_from, why_not
from imagemake.review.decisions import ChangedMeanwhileError, mark_of
from imagemake.review.filters import Filter
from imagemake.review.item import ReviewItem
from imagemake.review.queue import QueueView
from imagemake.review.session import ReviewSession

Form = Mapping[str, Sequence[str]]
WRONG, CONFLICT = 400, 409  # as HTTP knows them


class RefusedError(Exception):
    """An action was not done; nothing was written.

    Attributes:
        status: For HTTP.
        item: The image that it was about, if there is just one.
    """

    def __init__(self, words: str, status: int, item: ReviewItem | None = None) -> None:
        super().__init__(words)
        self.status = status
        self.item = item


@dataclass(frozen=True, slots=True)
class Done:
    """An action was done.

    Attributes:
        said: In words.
        following: The image to show next; None for the list.
    """

    said: str
    following: ReviewItem | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Many images are about to be decided at once.

    Attributes:
        items: The images.
        review: What is to be decided.
        digest: Of just these images as they stand; the same form with it as `confirmed` does it.
        skipped: Why others are left out, and how many.
        keys: Those that were selected one by one.
        changed: Whether it was asked before, for other images.
    """

    items: Sequence[ReviewItem]
    review: Review
    digest: str
    skipped: Sequence[tuple[str, int]]
    keys: Sequence[str]
    changed: bool


def decide(session: ReviewSession, form: Form, reviewer: str) -> Done:
    """Decide about one image.

    Raises:
        RefusedError: If it cannot be decided so, or somebody else was faster.
    """
    view, one = session.view(), single(form)
    item = view.queue.find(one.get("item", ""))
    if item is None:
        raise RefusedError("That image is no longer asked for: its prompt has changed.", CONFLICT)
    key = one.get("key", item.key)
    _, after, _ = view.around(item, Filter.read(one))
    try:
        if fault := why_not(item, key, one.get("decision", "")):
            raise WrongChoiceError(fault)
        review = review_from(one, reviewer, item.state.recipe.prompt)
        session.log.decide([key], review, seen={key: one["seen"]} if "seen" in one else None)
    except WrongChoiceError as error:
        raise RefusedError(str(error), WRONG, item) from None
    except ChangedMeanwhileError as changed:
        raise RefusedError(_changed_words(item, changed.now), CONFLICT, item) from None
    except UserError as mistakes:
        raise RefusedError(str(mistakes), CONFLICT, item) from None
    return Done(f"{DONE_WORDS[review.decision]}: {item.name}", item if review.decision == NOTE else after)


def undo(session: ReviewSession, reviewer: str) -> Done:
    """Take this reviewer's last decision back.

    Raises:
        RefusedError: If there is none.
    """
    try:
        taken = session.log.undo(reviewer)
    except UserError as mistakes:
        raise RefusedError(str(mistakes), CONFLICT) from None
    if not taken:
        raise RefusedError("There is nothing of yours to take back.", CONFLICT)
    queue = session.view().queue
    items = [item for key, _ in taken if (item := queue.find(key))]
    only = items[0] if len(items) == len(taken) == 1 else None
    what = only.name if only else f"{len(taken):,} decisions"
    return Done(f"Taken back: {DONE_WORDS[taken[0][1].decision].lower()}, {what}", only)


def decide_many(session: ReviewSession, form: Form, reviewer: str) -> Done | Question:
    """Decide about all images of a filter, or about those that are selected; the first time, only ask.

    Raises:
        RefusedError: If there is nothing to decide, or somebody else was faster.
    """
    view, one = session.view(), single(form)
    keys = form.get("keys", ()) if one.get("which") == "selected" else ()
    try:
        review = review_from({**one, "prompt": ""}, reviewer, None)
        asked = _selected(view, keys) if one.get("which") != "all" else view.matching(Filter.read(one))
        items, skipped = _possible(asked, review.decision)
        digest, confirmed = _digest_of(items, view), one.get("confirmed", "")
        if not hmac.compare_digest(confirmed.encode(), digest.encode()):
            return Question(items, review, digest, skipped, keys, changed=bool(confirmed))
        seen = {item.key: mark_of(view.reviews.get(item.key)) for item in items}
        session.log.decide(list(seen), review, seen=seen)
    except WrongChoiceError as error:
        raise RefusedError(str(error), WRONG) from None
    except ChangedMeanwhileError:
        words = "Somebody decided about one of them at this moment. Nothing was written."
        raise RefusedError(words, CONFLICT) from None
    except UserError as mistakes:
        raise RefusedError(str(mistakes), CONFLICT) from None
    return Done(f"{DONE_WORDS[review.decision]}: {len(items):,} images")


def single(form: Form) -> dict[str, str]:
    """Return a form's fields, the last one where there are several of a name."""
    return {name: values[-1] for name, values in form.items()}


def _selected(view: QueueView, keys: Sequence[str]) -> list[ReviewItem]:
    return [item for key in dict.fromkeys(keys) if (item := view.queue.find(key)) and item.key == key]


def _possible(asked: Sequence[ReviewItem], decision: str) -> tuple[list[ReviewItem], list[tuple[str, int]]]:
    faults = [why_not(item, item.key, decision) for item in asked]
    items = [item for item, fault in zip(asked, faults, strict=True) if not fault]
    skipped = Counter(fault for fault in faults if fault).most_common()
    if not items:
        reasons = " ".join(reason for reason, _ in skipped) or "Nothing was selected."
        raise WrongChoiceError(f"There is nothing to decide. {reasons}")
    return items, skipped


def _digest_of(items: Sequence[ReviewItem], view: QueueView) -> str:
    content = hashlib.sha256()
    for item in items:
        content.update(f"{item.key} {mark_of(view.reviews.get(item.key))}\n".encode())
    return content.hexdigest()


def _changed_words(item: ReviewItem, now: Review | None) -> str:
    if now is None:
        return f"A decision about {item.name} was taken back since you opened it. Yours was not written."
    words = DONE_WORDS[now.decision].lower()
    return f"{now.reviewer or 'Somebody'}, since you opened {item.name}: {words}. Yours was not written."
