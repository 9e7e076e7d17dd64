"""Which decisions are possible about an image, and how a form becomes a decision."""

from __future__ import annotations

from collections.abc import Mapping

from imagemake.config.verdict_codes import VerdictCode
from imagemake.core.errors import ImagemakeError
from imagemake.plan.reviews import MOST_PROMPT_CHARACTERS, NOTE, Review
from imagemake.review.item import ReviewItem, viewable

MAX_NOTE_CHARACTERS = 2_000
MAX_REVIEWER_CHARACTERS = 80
DONE_WORDS: Mapping[str, str] = {
    "approve": "Approved",
    "reject": "Rejected",
    "regenerate": "To be regenerated",
    NOTE: "Noted",
}


class WrongChoiceError(ImagemakeError):
    """A decision is not possible; the message says why."""


def reason_against(item: ReviewItem, key: str, decision: str) -> str | None:
    """Return why a decision about one of an item's attempts is not possible, or None if it is.

    Args:
        item: The item.
        key: Key of the attempt.
        decision: ``approve``, ``reject``, ``regenerate`` or ``note``.
    """
    if decision not in DONE_WORDS:
        return f"{decision!r} is not a decision."
    if decision == NOTE or (decision == "regenerate" and key == item.key and item.tab == "refused"):
        return None
    if key != item.key:
        had_image = any(past.key == key and viewable(past.raw, past.reasons) for past in item.past)
        return None if decision == "approve" and had_image else "An earlier attempt can only be approved."
    undecodable = decision == "approve" and VerdictCode.UNDECODABLE in item.codes
    if undecodable or item.state.raw is None:
        return "The file cannot be decoded." if undecodable else "No image exists yet."
    return None


def review_from(form: Mapping[str, str], reviewer: str, prompt_now: str | None) -> Review:
    """Return the decision that a form describes, without its time.

    Args:
        form: Fields ``decision``, ``note``, and with ``regenerate`` ``patch`` or ``prompt``.
        reviewer: Name of the reviewer.
        prompt_now: The current prompt. An unchanged prompt is not an edit.

    Raises:
        WrongChoiceError: If the fields are invalid.
    """
    texts = {
        name: form.get(name, "").replace("\r\n", "\n").replace("\0", "").strip() for name in ("note", "patch", "prompt")
    }
    if form.get("decision") != "regenerate":
        texts["patch"] = texts["prompt"] = ""
    if prompt_now is not None and texts["prompt"] == prompt_now.strip():
        texts["prompt"] = ""
    if form.get("decision") == NOTE and not texts["note"]:
        raise WrongChoiceError("The note is empty.")
    if texts["patch"] and texts["prompt"]:
        raise WrongChoiceError("Edit the prompt or add text to it, but not both.")
    if len(texts["note"]) > MAX_NOTE_CHARACTERS:
        raise WrongChoiceError(f"A note can have at most {MAX_NOTE_CHARACTERS:,} characters.")
    if len(texts["patch"] + texts["prompt"]) > MOST_PROMPT_CHARACTERS:
        raise WrongChoiceError(f"A prompt can have at most {MOST_PROMPT_CHARACTERS:,} characters.")
    return Review(form.get("decision", ""), texts["note"], reviewer, "", texts["patch"], texts["prompt"])
