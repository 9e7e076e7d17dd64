"""Reads subject, camera angle, and background from a prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass

from imagemake.plugins.providers.preview.shapes import CARD, SHAPE_OF_NOUN

MOST_CAPTION_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class CameraView:
    """A camera angle.

    Attributes:
        name: The name in captions.
        yaw_deg: 0 looks at the front, 90 at the product's right.
        pitch_deg: 0 looks level, 90 straight down.
        is_of_one_side: Whether its mirror image would show the other side.
    """

    name: str
    yaw_deg: float
    pitch_deg: float
    is_of_one_side: bool = False


# The first match wins; `background` and `backpack` are not back views, and `high detail` is not a close-up.
_VIEWS = {
    r"three[- ]quarters?|3/4|\b45[- ]?(?:°|deg)|isometric|angled view": CameraView("three-quarter view", 36, 24),
    r"top[- ]down|from (?:above|the top)|overhead|bird'?s[- ]eye|flat[- ]lay": CameraView("top-down view", 6, 82),
    r"(?<!table)(?<!table )\btop[- ]view": CameraView("top-down view", 6, 82),
    r"\b(?:back|rear)(?:[- ]side)?[- ]view|from (?:behind|the back|the rear)|\brear\b": CameraView(
        "back view", 180, 11
    ),
    r"left[- ]side|from the left": CameraView("left side view", -84, 9, is_of_one_side=True),
    r"right[- ]side|from the right": CameraView("right side view", 84, 9, is_of_one_side=True),
    r"side[- ](?:view|profile|angle|on)|from the side|in profile|profile view": CameraView("side view", 84, 9),
    r"front(?:al)?[- ](?:view|side|angle)|from the front|straight[- ]on|head[- ]on": CameraView("front view", 0, 10),
}
VIEWS = tuple((re.compile(pattern), view) for pattern, view in _VIEWS.items())
# A clause that is only one of these words counts too: "..., side, navy".
BARE_VIEWS = {
    "top": "top view",
    "above": "from above",
    "back": "back view",
    "rear": "back view",
    "left": "left side",
    "right": "right side",
    "side": "side view",
    "profile": "side view",
    "front": "front view",
}
NO_VIEW = CameraView("", 24, 17)
CLOSE_UP = re.compile(r"close[- ]?up|\bmacro\b|\bdetail(?:ed)? (?:view|shot|photo)|(?:^|,)\s*detail\s*(?:,|$)")
_WORDS = (
    r"((?:(?!(?:on|against|with|in|of|over|an?|the)\b)[a-z-]+\s){1,4}?)"
    r"(?:(?:studio|seamless)\s)?(?:background|backdrop)\b"
)
BACKGROUND = re.compile(rf"(?:\b(?:on|against|with|in|over)\s)?(?:\b(?:an?|the)\s)?\b{_WORDS}")
LEAD = re.compile(
    r"^.*?\b(?:photo|photograph|photography|picture|image|shot|render|rendering|illustration|drawing|packshot|icon)s?\s+of\s+",
    re.IGNORECASE,
)
ARTICLE = re.compile(r"^(?:an?|the|one)\s+", re.IGNORECASE)
PHRASE_END = re.compile(
    r"[,.;:!?\n\r()\[\]]|\s(?:on|with|in|against|for|from|at|over|by|made|standing|lying)\s", re.IGNORECASE
)


def view_in(text: str) -> CameraView:
    """Return the camera angle that a text names; without one, a little to the side and a little from above."""
    lower = text.lower()
    clauses = [BARE_VIEWS[clause] for part in lower.split(",") if (clause := part.strip()) in BARE_VIEWS]
    for said in (lower, *clauses):
        for pattern, view in VIEWS:
            if pattern.search(said):
                return view
    return NO_VIEW


def is_close_up(text: str) -> bool:
    """Return whether a text requests a detail of the product."""
    return CLOSE_UP.search(text.lower()) is not None


def background_in(text: str) -> tuple[str | None, str]:
    """Return the background that a text describes.

    Returns:
        The words before "background", or None; and the text without them, so that their color is not the product's.
    """
    found = BACKGROUND.search(text.lower())
    if found is None:
        return None, text
    return found[1].strip(), f"{text[: found.start()]} , {text[found.end() :]}"


def caption_in(text: str) -> str:
    """Return what a text is an image of, as its first phrase names it: at most 60 printable characters."""
    phrase = LEAD.sub("", text.strip(), count=1)
    phrase = ARTICLE.sub("", PHRASE_END.split(phrase, maxsplit=1)[0].strip())
    phrase = " ".join("".join(c if c.isprintable() else " " for c in phrase).split())
    return phrase[:MOST_CAPTION_CHARACTERS].strip()


def shape_in(subject: str, text: str) -> str:
    """Return the name of the shape that a subject has; a card where none is known.

    The last known noun of the subject is its head ("mug box" is a box); without one, the first of the whole text.
    """
    nouns = _nouns(subject)
    return nouns[-1] if nouns else next(iter(_nouns(text)), CARD)


def _nouns(text: str) -> list[str]:
    words = re.findall(r"[a-z]+", re.sub(r"\bt-shirt", "tshirt", text.lower()))
    singulars = ([word, word.removesuffix("s"), word.removesuffix("es")] for word in words)
    found = (next((SHAPE_OF_NOUN[form] for form in forms if form in SHAPE_OF_NOUN), None) for forms in singulars)
    return [name for name in found if name]
