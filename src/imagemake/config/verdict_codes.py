"""Why an image is not simply accepted, where no check of a measure says so: codes and the words for people."""

from __future__ import annotations

from imagemake.core.worded_enum import WordedEnum


class VerdictCode(WordedEnum):
    """A code as it stands in manifests and as a prompt patch names it; the words have placeholders for the details."""

    UNDECODABLE = "file.undecodable", "{fault}"
    SIZE = "file.size", "{found} px, expected {expected}"
    FORMAT = "file.format", "{found}, expected {expected}"
    ALPHA = "file.alpha", "no transparency, although a transparent background was requested"
    UNMEASURED = "unmeasured", "{measure} failed on this image: {fault}"  # no prompt can be patched for it
    UNANSWERED = "unanswered", "a model gave no answer"  # likewise
    NEAR_DUPLICATE = "near_duplicate", "nearly the same image as {other}"
    CONSISTENCY = "consistency", "{difference}"
    PARENT = "parent", "made from {name}, {why}"  # only until that image is accepted
    APPROVAL = "approval", "other images are made from it once a person approves it"
    NOT_BEST = "not_best", "scores {score:.4g}, the best candidate {best:.4g}"
    NO_QUOTA = "no_quota", "{model} has no quota left for the other candidates"
    REVIEW = "review", "rejected by a reviewer"
    REGENERATE = "regenerate", "a reviewer asked for another image"
    REFUSED = "refused", "the provider refused the request"
    UNREADABLE = "unreadable", "the provider's answer holds no image"
    UNKNOWN = "unknown", "{calls} calls without an answer, possibly billed"
    POSTPROCESS = "postprocess", "postprocessing failed"


RULES = (VerdictCode.UNDECODABLE, VerdictCode.SIZE, VerdictCode.FORMAT, VerdictCode.ALPHA)
OTHER_PATCHABLE = (
    VerdictCode.NEAR_DUPLICATE,
    VerdictCode.CONSISTENCY,
    VerdictCode.REFUSED,
    VerdictCode.UNREADABLE,
    VerdictCode.REVIEW,
    VerdictCode.POSTPROCESS,
)
