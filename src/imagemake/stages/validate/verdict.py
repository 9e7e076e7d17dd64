"""From measures and thresholds to a verdict with reasons. Pure functions: a changed threshold is judged in seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from imagemake.config.checks import Check, in_words
from imagemake.config.verdict_codes import VerdictCode
from imagemake.core.recipe import Json
from imagemake.plugins.measures import Value, phrase_of
from imagemake.plugins.providers.sizes import parse_size
from imagemake.store.items import Measured

# An image that cannot be decoded has one quantity, which holds the cause; so has a measure that failed on an image.
UNDECODABLE_MEASURE, _, UNDECODABLE_QUANTITY = VerdictCode.UNDECODABLE.value.partition(".")
FAILED_QUANTITY = "failed"
UNANSWERED_QUANTITY = "unanswered"  # of a question: the question and why nobody answered it
# 3P: of the pixels that models make for a ratio, 896x1152 for 4:5 is the farthest from it, by 2.8%.
RATIO_TOLERANCE = 0.05


class Status(StrEnum):
    """What happens with an image."""

    ACCEPTED = "accepted"
    REVIEW = "review"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an image was not simply accepted.

    Attributes:
        code: A `VerdictCode`, or the quantity of a check, such as ``tone.contrast``. A prompt patch can name it, or the
            part before the dot.
        text: For people, with the value and the limit.
    """

    code: str
    text: str

    @classmethod
    def of(cls, code: VerdictCode, **details: object) -> Reason:
        """Return the reason for a code, in its own words."""
        return cls(code, code.words.format_map(details))

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A status and the reasons for it; accepted images have none."""

    status: Status
    reasons: tuple[Reason, ...] = ()


ACCEPTED = Verdict(Status.ACCEPTED)


def of_measures(wanted: Sequence[str], measured: Measured) -> Measured:
    """Return the values of these measures by identity, without those of older versions and other settings."""
    return {identity: measured[identity] for identity in wanted if identity in measured}


def still_to_measure(wanted: Sequence[str], measured: Measured) -> list[str]:
    """Return the identities of measures that are still missing; an image that cannot be decoded needs no others."""
    if any(UNDECODABLE_QUANTITY in values for values in measured.values()):
        return []
    return [identity for identity in wanted if identity not in measured]


def flat(measured: Measured) -> dict[str, Value]:
    """Turn values by measure identity (``tone@1``) into values by quantity (``tone.contrast``)."""
    found: dict[str, Value] = {}
    for identity, values in measured.items():
        names = _names_of(identity)
        found.update([(name, value) for quantity, value in values.items() if (name := names[quantity])])
    return found


class _Names(dict[str, str]):
    """The names of a measure's quantities, each made once: the rows of a manifest would hold it for each image."""

    def __init__(self, measure: str) -> None:
        super().__init__()
        self._measure = measure

    def __missing__(self, quantity: str) -> str:
        # Only the measure itself can read a value such as a vector.
        name = self[quantity] = "" if quantity.startswith("_") else f"{self._measure}.{quantity}"
        return name


@cache
def _names_of(identity: str) -> _Names:
    return _Names(identity.partition("@")[0])


def judge(
    values: Mapping[str, Value],
    parameters: Mapping[str, Json],
    checks: Mapping[str, Check],
    *,
    formats: Sequence[str],
    size_as_requested: bool,
    told: Callable[[str], str | None] | None = None,
) -> Verdict:
    """Decide about one image by itself.

    Args:
        values: Values by quantity, as `flat` returns them.
        parameters: The request's parameters: the image must follow ``size``, ``output_format``, and ``background``.
        checks: Limits by quantity, as they are for this request. A check whose quantity the image does not have does
            not apply. Where a measure failed, its value is unknown, so the image goes to review.
        formats: Accepted file formats.
        size_as_requested: Whether to reject an image of another size than the requested one.
        told: Returns what a reason says in place of a value; None if it says the value.
    """
    if VerdictCode.UNDECODABLE in values:
        reason = Reason.of(VerdictCode.UNDECODABLE, fault=values[VerdictCode.UNDECODABLE])
        return Verdict(Status.REJECTED, (reason,))
    rejections = _disobeyed(values, parameters, formats, size_as_requested)
    doubts = [*_failures(values), *_unanswered(values)]

    def said(quantity: str, value: Value) -> str:
        return (told(quantity) if told else None) or _phrase(quantity, value, values)

    for quantity, check in checks.items():
        value = values.get(quantity)
        if value is None:
            continue
        if check.reject and (limit := check.reject.broken_by(value, quantity)):
            rejections.append(Reason(quantity, f"{said(quantity, value)}, {limit}{check.of_whom}"))
        elif check.review and (limit := check.review.broken_by(value, quantity)):
            doubts.append(Reason(quantity, f"{said(quantity, value)}, {limit}{check.of_whom}"))
    if rejections:
        return Verdict(Status.REJECTED, tuple(rejections + doubts))
    return Verdict(Status.REVIEW, tuple(doubts)) if doubts else ACCEPTED


def _phrase(quantity: str, value: Value, values: Mapping[str, Value]) -> str:
    measure, _, name = quantity.partition(".")
    in_short = in_words(quantity, value)
    template = phrase_of(measure, name)
    if template is None:
        return in_short
    own = {known.partition(".")[2]: found for known, found in values.items() if known.startswith(f"{measure}.")}
    return template.format_map({**own, "this": in_short})


def _failures(values: Mapping[str, Value]) -> list[Reason]:
    failed = (name for name in values if name.endswith(f".{FAILED_QUANTITY}"))
    return [Reason.of(VerdictCode.UNMEASURED, measure=name.partition(".")[0], fault=values[name]) for name in failed]


def _unanswered(values: Mapping[str, Value]) -> list[Reason]:
    return [
        Reason(VerdictCode.UNANSWERED, str(value))
        for name, value in values.items()
        if name.endswith(f".{UNANSWERED_QUANTITY}")
    ]


def _has_ratio(size: str, expected: Json) -> bool:
    """Return whether a size in pixels has the ratio that was requested; no size of any tier has it exactly."""
    found, wanted = parse_size(size), parse_size(expected)
    if found is None or wanted is None or wanted.is_pixels:
        return False
    return abs(found.width * wanted.height / (found.height * wanted.width) - 1) <= RATIO_TOLERANCE


def _disobeyed(
    values: Mapping[str, Value], parameters: Mapping[str, Json], formats: Sequence[str], size_as_requested: bool
) -> list[Reason]:
    reasons = []
    size, expected = f"{values.get('file.width_px')}x{values.get('file.height_px')}", parameters.get("size", "auto")
    if size_as_requested and expected not in ("auto", size) and not _has_ratio(size, expected):
        reasons.append(Reason.of(VerdictCode.SIZE, found=size, expected=expected))
    found, requested = values.get("file.format"), parameters.get("output_format")
    expected_formats = formats if requested in (None, found) else (str(requested),)
    if found not in expected_formats:
        reasons.append(Reason.of(VerdictCode.FORMAT, found=found, expected=" or ".join(expected_formats)))
    if parameters.get("background") == "transparent" and not values.get("file.has_alpha"):
        reasons.append(Reason.of(VerdictCode.ALPHA))
    return reasons
