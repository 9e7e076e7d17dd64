"""Actions of reviewers: each one checks the form, saves the decision, and returns a message."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imagemake.core.errors import ImagemakeError
from imagemake.core.problems import UserError
from imagemake.plan.reviews import NOTE, Review
from imagemake.review.choices import DONE_WORDS, WrongChoiceError, reason_against, review_from
from imagemake.review.decisions import ChangedMeanwhileError, version_of
from imagemake.review.filters import Filter
from imagemake.review.item import ReviewItem
from imagemake.review.queue import QueueView
from imagemake.review.session import ReviewSession

Form = Mapping[str, Sequence[str]]
BAD_REQUEST, CONFLICT = 400, 409  # HTTP status codes


class RefusedError(ImagemakeError):
    """An action was refused, and nothing was saved.

    Attributes:
        status: HTTP status code.
        item: The image that the action is about; None unless there is exactly one.
    """

    def __init__(self, message: str, status: int, item: ReviewItem | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.item = item


@dataclass(frozen=True, slots=True)
class Done:
    """An action succeeded.

    Attributes:
        message: What it did.
        next_item: The image to show next; None for the list.
    """

    message: str
    next_item: ReviewItem | None = None


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A bulk decision that the reviewer must confirm.

    Attributes:
        items: The images.
        review: The decision.
        digest: Digest of these images and their decisions. Posting the form again with it as `confirmed` saves.
        skipped: Reasons why other images are left out, with their counts.
        keys: Keys of the images that were selected one by one.
        changed: Whether the images changed since the reviewer was first asked.
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
        RefusedError: If the decision is not possible, or another reviewer decided first.
    """
    view, fields = session.view(), single(form)
    item = view.queue.find(fields.get("item", ""))
    if item is None:
        raise RefusedError("This image is no longer requested: its prompt has changed.", CONFLICT)
    key = fields.get("key", item.key)
    if reason := reason_against(item, key, fields.get("decision", "")):
        raise RefusedError(reason, BAD_REQUEST, item)
    _, after, _ = view.neighbors(item, Filter.read(fields))
    try:
        review = review_from(fields, reviewer, item.state.recipe.prompt)
        session.log.decide([key], review, expected={key: fields["expected"]} if "expected" in fields else None)
    except WrongChoiceError as error:
        raise RefusedError(str(error), BAD_REQUEST, item) from None
    except ChangedMeanwhileError as changed:
        raise RefusedError(_conflict_message(item, changed.now), CONFLICT, item) from None
    except UserError as mistakes:
        raise RefusedError(str(mistakes), CONFLICT, item) from None
    return Done(f"{DONE_WORDS[review.decision]}: {item.name}", item if review.decision == NOTE else after)


def undo(session: ReviewSession, reviewer: str) -> Done:
    """Undo this reviewer's last decision.

    Raises:
        RefusedError: If there is nothing to undo.
    """
    try:
        undone = session.log.undo(reviewer)
    except UserError as mistakes:
        raise RefusedError(str(mistakes), CONFLICT) from None
    if not undone:
        raise RefusedError("Nothing to undo.", CONFLICT)
    queue = session.view().queue
    items = [item for key, _ in undone if (item := queue.find(key))]
    only = items[0] if len(items) == len(undone) == 1 else None
    what = only.name if only else f"{len(undone):,} decisions"
    return Done(f"Undone: {DONE_WORDS[undone[0][1].decision].lower()}, {what}", only)


def decide_many(session: ReviewSession, form: Form, reviewer: str) -> Done | Confirmation:
    """Decide about all images of a filter or of a selection. The first call only asks for confirmation.

    Raises:
        RefusedError: If there is nothing to decide, or another reviewer decided first.
    """
    view, fields = session.view(), single(form)
    keys = form.get("keys", ()) if fields.get("which") == "selected" else ()
    try:
        review = review_from({**fields, "prompt": ""}, reviewer, None)
        chosen = _selected(view, keys) if fields.get("which") != "all" else view.matching(Filter.read(fields))
        items, skipped = _possible(chosen, review.decision)
        digest, confirmed = _digest_of(items, view), fields.get("confirmed", "")
        if not hmac.compare_digest(confirmed.encode(), digest.encode()):
            return Confirmation(items, review, digest, skipped, keys, changed=bool(confirmed))
        expected = {item.key: version_of(view.reviews.get(item.key)) for item in items}
        session.log.decide(list(expected), review, expected=expected)
    except WrongChoiceError as error:
        raise RefusedError(str(error), BAD_REQUEST) from None
    except ChangedMeanwhileError:
        message = "Another reviewer just decided about one of these images. Your decision was not saved."
        raise RefusedError(message, CONFLICT) from None
    except UserError as mistakes:
        raise RefusedError(str(mistakes), CONFLICT) from None
    return Done(f"{DONE_WORDS[review.decision]}: {len(items):,} images")


def single(form: Form) -> dict[str, str]:
    """Return a form's fields; of several with the same name, the last one."""
    return {name: values[-1] for name, values in form.items()}


def _selected(view: QueueView, keys: Sequence[str]) -> list[ReviewItem]:
    return [item for key in dict.fromkeys(keys) if (item := view.queue.find(key)) and item.key == key]


def _possible(chosen: Sequence[ReviewItem], decision: str) -> tuple[list[ReviewItem], list[tuple[str, int]]]:
    reasons = [reason_against(item, item.key, decision) for item in chosen]
    items = [item for item, reason in zip(chosen, reasons, strict=True) if not reason]
    skipped = Counter(reason for reason in reasons if reason).most_common()
    if not items:
        why = " ".join(reason for reason, _ in skipped) or "No image is selected."
        raise RefusedError(f"Nothing to decide. {why}", BAD_REQUEST)
    return items, skipped


def _digest_of(items: Sequence[ReviewItem], view: QueueView) -> str:
    content = hashlib.sha256()
    for item in items:
        content.update(f"{item.key} {version_of(view.reviews.get(item.key))}\n".encode())
    return content.hexdigest()


def _conflict_message(item: ReviewItem, now: Review | None) -> str:
    if now is None:
        what = "a decision was undone"
    else:
        what = f"{now.reviewer or 'another reviewer'} decided: {DONE_WORDS[now.decision].lower()}"
    return f"Since you opened {item.name}, {what}. Your decision was not saved."
