"""What may be decided about an image, and what a form must say for it."""

from __future__ import annotations

from collections.abc import Mapping

from imagemake.plan.reviews import MOST_PROMPT_CHARACTERS, NOTE, Review
from imagemake.review.item import ReviewItem, can_be_seen
from imagemake.stages.validate.verdict import UNDECODABLE

MOST_NOTE_CHARACTERS = 2_000
MOST_REVIEWER_CHARACTERS = 80
DONE_WORDS: Mapping[str, str] = {
    "approve": "Approved",
    "reject": "Rejected",
    "regenerate": "To be made again",
    NOTE: "Noted",
}


class WrongChoiceError(Exception):
    """What was asked for cannot be done; the message says why."""


def why_not(item: ReviewItem, key: str, decision: str) -> str | None:
    """Say why something cannot be decided about one of an item's attempts; None where it can.

    Args:
        item: The item.
        key: The attempt's.
        decision: ``approve``, ``reject``, ``regenerate`` or ``note``.
    """
    if decision not in DONE_WORDS:
        return f"{decision!r} is no decision."
    if decision == NOTE or (decision == "regenerate" and key == item.key and item.tab == "refused"):
        return None
    if key != item.key:
        had_image = any(past.key == key and can_be_seen(past.raw, past.reasons) for past in item.past)
        return None if decision == "approve" and had_image else "An earlier attempt can only be approved."
    undecodable = decision == "approve" and UNDECODABLE in item.codes
    if undecodable or item.state.raw is None:
        return "The file holds no image." if undecodable else "There is no image of it."
    return None


def review_from(form: Mapping[str, str], reviewer: str, prompt_now: str | None) -> Review:
    """Read what a form says.

    Args:
        form: Its fields: ``decision``, ``note``, and with ``regenerate`` ``patch`` or ``prompt``.
        reviewer: Who decides.
        prompt_now: The prompt that was shown; one that is sent back as it was asks for nothing.

    Raises:
        WrongChoiceError: If it cannot be written down.
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
        raise WrongChoiceError("Edit the prompt, or add something to it, but not both.")
    if len(texts["note"]) > MOST_NOTE_CHARACTERS:
        raise WrongChoiceError(f"A note has at most {MOST_NOTE_CHARACTERS:,} characters.")
    if len(texts["patch"] + texts["prompt"]) > MOST_PROMPT_CHARACTERS:
        raise WrongChoiceError(f"A prompt has at most {MOST_PROMPT_CHARACTERS:,} characters.")
    return Review(form.get("decision", ""), texts["note"], reviewer, "", texts["patch"], texts["prompt"])
