"""Is it good: from measures and thresholds to a verdict with reasons. Pure: a threshold can change in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from imagemake.config.checks import Check, in_words
from imagemake.core.recipe import Scalar
from imagemake.plugins.measures import Value, phrase_of
from imagemake.store.items import Measured

UNDECODABLE = "file.undecodable"  # the one quantity of an image that could not be decoded: why not
FAILED_QUANTITY = "failed"  # the one quantity of a measure that failed on an image: why
UNDECODABLE_MEASURE, _, UNDECODABLE_QUANTITY = UNDECODABLE.partition(".")

UNMEASURED = "unmeasured"  # the reason where a measure failed; no prompt can be patched for it


class Status(StrEnum):
    """What is to happen with an image."""

    ACCEPTED = "accepted"
    REVIEW = "review"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an image was not simply accepted.

    Attributes:
        code: The quantity or rule, such as ``tone.contrast``; a prompt patch can name it, or its first part.
        text: For people, with the number and the limit.
    """

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A status and the reasons for it; accepted images have none."""

    status: Status
    reasons: tuple[Reason, ...] = ()


ACCEPTED = Verdict(Status.ACCEPTED)


def of_measures(wanted: Sequence[str], measured: Measured) -> Measured:
    """Return what was read by these measures, by identity: what older versions and other settings read is no more."""
    return {identity: measured[identity] for identity in wanted if identity in measured}


def still_to_measure(wanted: Sequence[str], measured: Measured) -> list[str]:
    """Return the identities of measures that were not read yet; an image that cannot be decoded has no others."""
    if any(UNDECODABLE_QUANTITY in values for values in measured.values()):
        return []
    return [identity for identity in wanted if identity not in measured]


def flat(measured: Measured) -> dict[str, Value]:
    """Turn measures by identity (``tone@1``) into values by quantity (``tone.contrast``)."""
    return {
        f"{identity.partition('@')[0]}.{quantity}": value
        for identity, values in measured.items()
        for quantity, value in values.items()
        if not quantity.startswith("_")  # what only the measure itself can read, such as a vector
    }


def judge(
    values: Mapping[str, Value],
    parameters: Mapping[str, Scalar],
    checks: Mapping[str, Check],
    *,
    formats: Sequence[str],
    size_as_requested: bool,
) -> Verdict:
    """Decide about one image, by itself.

    Args:
        values: By quantity, from `flat`.
        parameters: What was asked for: ``size``, ``output_format`` and ``background`` must have been obeyed.
        checks: Ranges by quantity, as they are for its request; one that was not measured on this image does not
            apply. Where a measure failed, nobody knows what it would have found: a person decides.
        formats: File formats that are accepted.
        size_as_requested: Whether another size than the requested one is a fault.
    """
    if UNDECODABLE in values:
        return Verdict(Status.REJECTED, (Reason(UNDECODABLE, str(values[UNDECODABLE])),))
    rejections = _disobeyed(values, parameters, formats, size_as_requested)
    doubts = _failures(values)
    for quantity, check in checks.items():
        value = values.get(quantity)
        if value is None:
            continue
        if check.reject and (limit := check.reject.broken_by(value, quantity)):
            rejections.append(Reason(quantity, f"{_phrase(quantity, value, values)}, {limit}{check.of_whom}"))
        elif check.review and (limit := check.review.broken_by(value, quantity)):
            doubts.append(Reason(quantity, f"{_phrase(quantity, value, values)}, {limit}{check.of_whom}"))
    if rejections:
        return Verdict(Status.REJECTED, tuple(rejections + doubts))
    return Verdict(Status.REVIEW, tuple(doubts)) if doubts else ACCEPTED


def _phrase(quantity: str, value: Value, values: Mapping[str, Value]) -> str:
    measure, _, name = quantity.partition(".")
    told = in_words(quantity, value)
    template = phrase_of(measure, name)
    if template is None:
        return told
    own = {known.partition(".")[2]: found for known, found in values.items() if known.startswith(f"{measure}.")}
    return template.format_map({**own, "this": told})


def _failures(values: Mapping[str, Value]) -> list[Reason]:
    failed = [(name, values[name]) for name in values if name.endswith(f".{FAILED_QUANTITY}")]
    return [Reason(UNMEASURED, f"{name.partition('.')[0]} failed on this image: {why}") for name, why in failed]


def _disobeyed(
    values: Mapping[str, Value], parameters: Mapping[str, Scalar], formats: Sequence[str], size_as_requested: bool
) -> list[Reason]:
    reasons = []
    size = f"{values.get('file.width_px')}x{values.get('file.height_px')}"
    wanted_size = parameters.get("size", "auto")
    if size_as_requested and wanted_size not in ("auto", size):
        reasons.append(Reason("file.size", f"{size} px, {wanted_size} was requested"))
    found, wanted = values.get("file.format"), parameters.get("output_format")
    if wanted is not None and found != wanted:
        reasons.append(Reason("file.format", f"{found}, {wanted} was requested"))
    elif found not in formats:
        reasons.append(Reason("file.format", f"{found}, accepted are {', '.join(formats)}"))
    if parameters.get("background") == "transparent" and not values.get("file.has_alpha"):
        reasons.append(Reason("file.alpha", "no transparency, a transparent background was requested"))
    return reasons
