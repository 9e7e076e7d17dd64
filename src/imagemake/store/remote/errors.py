"""What went wrong with a place, in words that say what to do; no secret is in them."""

from __future__ import annotations

import re
from enum import StrEnum

from imagemake.core.errors import ExitCode, ImagemakeError
from imagemake.core.secrets import is_secret_value

_MOST_CHARACTERS = 300
_INSTALL = {"gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs", "s3": "s3fs", "sftp": "paramiko"}


class Trouble(StrEnum):
    """What kind of trouble it is."""

    DENIED = "denied"
    MISSING = "missing"  # no such bucket or folder
    UNREACHABLE = "unreachable"
    SLOW = "slow"
    FULL = "full"
    UNKNOWN_KIND = "unknown kind"  # no package here speaks to such places
    OTHER = "other"


PASSING = (Trouble.UNREACHABLE, Trouble.SLOW, Trouble.OTHER)  # may be better in a moment

_REMEDIES = {
    Trouble.DENIED: "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and what this account may do "
    "there.",
    Trouble.MISSING: "Check the name of the bucket, or make it; nothing here makes one.",
    Trouble.UNREACHABLE: "Check the network and AWS_ENDPOINT_URL_S3, the address of the server.",
    Trouble.SLOW: "Check the network, or set a longer timeout_s.",
    Trouble.FULL: "Make room there.",
    Trouble.OTHER: "Run it again; if it stays, the message is the server's own.",
}


class PlaceError(ImagemakeError):
    """A place did not do what it was asked for.

    Args:
        trouble: What kind of trouble.
        place: Its address.
        what: What happened, in words.
        remedy: What to do about it; by default what fits the trouble.
    """

    exit_code = ExitCode.NOT_READY

    def __init__(self, trouble: Trouble, place: str, what: str, remedy: str = "") -> None:
        super().__init__(f"{place}: {what}")
        self.trouble = trouble
        self.remedy = remedy or _REMEDIES[trouble]


# The first that fits decides: classes by name, since none of these libraries is imported here, or what the error says.
_KINDS: tuple[tuple[Trouble, frozenset[str], str | None, str], ...] = (
    (Trouble.UNKNOWN_KIND, frozenset({"ImportError"}), "Protocol not known", "nothing here speaks to such places"),
    (
        Trouble.DENIED,
        frozenset({"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError"}),
        None,
        "no account to ask with: {said}",
    ),
    (Trouble.DENIED, frozenset({"PermissionError"}), r"\b403\b|Forbidden|AccessDenied", "denied: {said}"),
    (
        Trouble.SLOW,
        frozenset({"TimeoutError", "FSTimeoutError", "ConnectTimeoutError", "ReadTimeoutError"}),
        None,
        "no answer in time",
    ),
    (Trouble.MISSING, frozenset({"FileNotFoundError"}), None, "there is no such bucket or folder: {said}"),
    (Trouble.FULL, frozenset(), r"(?i)quota|insufficient ?storage|\b507\b|no space", "full: {said}"),
    (Trouble.UNREACHABLE, frozenset({"ConnectionError", "HTTPClientError"}), None, "not reached: {said}"),
)


def in_words(error: BaseException, place: str) -> PlaceError:
    """Put what a library raised into words."""
    if isinstance(error, PlaceError):
        return error
    names = {kind.__name__ for kind in type(error).__mro__}
    said = _said(error)
    for trouble, classes, pattern, words in _KINDS:
        if names & classes or (pattern and re.search(pattern, said)):
            return PlaceError(trouble, place, words.format(said=said), _remedy(trouble, place))
    return PlaceError(Trouble.OTHER, place, said)


def _remedy(trouble: Trouble, place: str) -> str:
    if trouble is not Trouble.UNKNOWN_KIND:
        return _REMEDIES[trouble]
    package = _INSTALL.get(place.partition("://")[0])
    return f"pip install {package}" if package else "s3://, gs://, abfs:// and file:// are the usual ones."


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    text = "".join(one if one.isprintable() else "?" for one in text)
    if is_secret_value(text):
        return f"{type(error).__name__} (its message is hidden: it looks like it holds a secret)"
    return text[:_MOST_CHARACTERS]
