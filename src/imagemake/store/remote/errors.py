"""Errors of remote storage, with a remedy and without secrets."""

from __future__ import annotations

import re
from enum import StrEnum

from imagemake.core.errors import ExitCode, ImagemakeError
from imagemake.core.known_secrets import redacted
from imagemake.core.secrets import is_secret_value

_MAX_CHARACTERS = 300
_INSTALL = {"gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs", "s3": "'imagemake[s3]'", "sftp": "paramiko"}


class Trouble(StrEnum):
    """The kind of an error."""

    DENIED = "denied"
    MISSING = "missing"  # no such bucket or folder
    UNREACHABLE = "unreachable"
    SLOW = "slow"
    FULL = "full"
    MISSPELLED = "misspelled"  # the server's address
    UNKNOWN_KIND = "unknown kind"  # no installed package supports the address
    OTHER = "other"


class Operation(StrEnum):
    """What a request does."""

    READ = "reading"
    LIST = "listing"
    WRITE = "writing"
    DELETE = "deleting"


_RIGHTS = {
    Operation.READ: "s3:GetObject",
    Operation.LIST: "s3:ListBucket",
    Operation.WRITE: "s3:PutObject",
    Operation.DELETE: "s3:DeleteObject",
}
PASSING = (Trouble.UNREACHABLE, Trouble.SLOW, Trouble.OTHER)  # another try may succeed

_REMEDIES = {
    Trouble.DENIED: "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and the permissions of the "
    "account.",
    Trouble.MISSING: "Check the name of the bucket, or create the bucket; imagemake does not create buckets.",
    Trouble.UNREACHABLE: "Check the network and AWS_ENDPOINT_URL_S3, the address of the server.",
    Trouble.MISSPELLED: "Write AWS_ENDPOINT_URL_S3 in full, such as https://s3.example.com.",
    Trouble.SLOW: "Check the network, or set a longer timeout_s.",
    Trouble.FULL: "Free up space in the storage.",
    Trouble.OTHER: "Try again. If the error persists, look up the server's message.",
}


class PlaceError(ImagemakeError):
    """A request to remote storage failed.

    Args:
        trouble: Kind of the error.
        place: Address of the storage.
        what: What happened.
        remedy: What the user can do; by default, a sentence for the kind of the error.
        doing: What was to be done, as ``reading a/b``.

    Attributes:
        why: Place and what happened, which are the same for requests that fail for one reason.
    """

    exit_code = ExitCode.NOT_READY

    def __init__(self, trouble: Trouble, place: str, what: str, remedy: str = "", doing: str = "") -> None:
        super().__init__(redacted(": ".join(filter(None, (place, doing, what)))))
        self.trouble, self.why = trouble, redacted(f"{place}: {what}")
        self.remedy = remedy or _REMEDIES[trouble]


# The first match decides: the name of an error's class, because these libraries are not imported here, or its message.
_KINDS: tuple[tuple[Trouble, frozenset[str], str | None, str], ...] = (
    (
        Trouble.UNKNOWN_KIND,
        frozenset({"ImportError"}),
        "Protocol not known",
        "no installed package supports this address",
    ),
    (
        Trouble.DENIED,
        frozenset({"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError"}),
        None,
        "no credentials: {said}",
    ),
    (Trouble.DENIED, frozenset({"PermissionError"}), r"\b403\b|Forbidden|AccessDenied", "denied: {said}"),
    (
        Trouble.SLOW,
        frozenset({"TimeoutError", "FSTimeoutError", "ConnectTimeoutError", "ReadTimeoutError"}),
        None,
        "no response in time",
    ),
    (Trouble.MISSPELLED, frozenset(), "^Invalid endpoint: ", "{said}"),
    (Trouble.MISSING, frozenset({"FileNotFoundError"}), None, "the bucket or folder does not exist: {said}"),
    (Trouble.FULL, frozenset(), r"(?i)quota|insufficient ?storage|\b507\b|no space", "full: {said}"),
    (Trouble.UNREACHABLE, frozenset({"ConnectionError", "HTTPClientError"}), None, "unreachable: {said}"),
)


def in_words(error: BaseException, place: str, operation: Operation | None = None, name: str = "") -> PlaceError:
    """Convert an exception of a storage library to a `PlaceError`.

    Args:
        error: The exception.
        place: Address of the storage.
        operation: What the request was to do, if there was one.
        name: The file or folder that it was about.
    """
    if isinstance(error, PlaceError):
        return error
    doing = " ".join(filter(None, (operation, name)))
    names = {kind.__name__ for kind in type(error).__mro__}
    said = _said(error)
    for trouble, classes, pattern, words in _KINDS:
        if names & classes or (pattern and re.search(pattern, said)):
            return PlaceError(trouble, place, words.format(said=said), _remedy(trouble, place, operation), doing)
    return PlaceError(Trouble.OTHER, place, said, doing=doing)


def _remedy(trouble: Trouble, place: str, operation: Operation | None) -> str:
    if trouble is Trouble.DENIED and operation is not None and place.startswith("s3"):
        return f"{_REMEDIES[trouble]} It needs {_RIGHTS[operation]}."
    if trouble is not Trouble.UNKNOWN_KIND:
        return _REMEDIES[trouble]
    package = _INSTALL.get(place.partition("://")[0])
    return f"Run: pip install {package}" if package else "Use an address such as s3://, gs://, abfs:// or file://."


def _said(error: BaseException) -> str:
    text = " ".join(redacted(str(error)).split()) or type(error).__name__
    text = "".join(one if one.isprintable() else "?" for one in text)
    if is_secret_value(text):
        return f"{type(error).__name__} (its message is hidden because it may contain a secret)"
    return text[:_MAX_CHARACTERS]
