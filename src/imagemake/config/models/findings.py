"""What a check of a recipe finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SHOWN_CHARACTERS = 60


class Severity(StrEnum):
    """What a finding means."""

    ERROR = "error"  # the provider will reject this
    WARNING = "warning"  # it works today


@dataclass(frozen=True, slots=True)
class ModelFinding:
    """Something in a recipe that its model does not accept, or soon will not.

    Attributes:
        severity: Whether it stops the request.
        what: The value and the rule that it breaks.
        remedy: What to do about it, a whole sentence.
    """

    severity: Severity
    what: str
    remedy: str


def error(what: str, remedy: str) -> ModelFinding:
    """Return a finding that stops the request."""
    return ModelFinding(Severity.ERROR, what, remedy)


def shown(value: object) -> str:
    """Return a value for people, not too long."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
