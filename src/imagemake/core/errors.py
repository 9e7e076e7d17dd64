"""The base class of every error that imagemake raises, and the exit status of each error.

    ImagemakeError
    ├── UserError                  a mistake in the configuration, the catalog, or a command line
    ├── NotReadyError              a file, package, key, or service is missing
    │   └── BadSourceImageError
    ├── CredentialsError           content credentials cannot be written or read
    ├── PlaceError                 a storage address did not accept an operation
    ├── ProviderError              a call returned no image
    ├── StoppedError               no call can succeed until the user does something
    ├── InterruptedByUserError     Ctrl-C or SIGTERM
    ├── BadRecordError             the record of a release is invalid
    ├── DamagedError               a stored file does not match its name
    ├── DamagedStateError          a file in work/ does not match its checksum
    ├── OverBudgetError            a call does not fit the budget
    ├── Undecodable                bytes are not an image
    └── PostprocessError           an image cannot be postprocessed as asked

docs/reference/exit-codes.md lists the exit codes.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import ClassVar

from imagemake.core.host_errors import words_of
from imagemake.core.known_secrets import redacted

__all__ = ["ExitCode", "ImagemakeError"]


class ExitCode(IntEnum):
    """The exit status of a command or a job."""

    OK = 0, "Everything that you asked for is done."
    INCOMPLETE = 1, "The command ran and found something: damage, differences, missing images, or a failed part."
    USAGE = 2, "Something that you wrote is wrong: the command line, the configuration, or the catalog."
    NOT_READY = (
        3,
        "Something outside the project is missing or out of reach: a package, key, server, DVC, S3, or disk space.",
    )
    STOPPED = 4, "The provider refuses every call until you fix the key, quota, payment, or organization."
    INTERRUPTED = 130, "You stopped the command with Ctrl-C or a signal. No paid image is lost."
    CLOSED = 141, "Whatever read the output, such as `head`, stopped reading, so the command stopped too."

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        """Make a code with its meaning."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code


class ImagemakeError(Exception):
    """The base of all errors of imagemake.

    Attributes:
        exit_code: The exit status of a command that ends with this error.
        remedy: What the user can do, as a sentence; empty if the message says it.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.INCOMPLETE
    remedy: str = ""

    def in_words(self) -> str:
        """Return the message and, on the next line, the remedy."""
        return f"{self}\n  {self.remedy}" if self.remedy else str(self)


class InterruptedByUserError(ImagemakeError):
    """Ctrl-C or a signal ended the work; the message says what was kept."""

    exit_code = ExitCode.INTERRUPTED


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Exit with the message and the exit status of an error, without a traceback."""
    try:
        yield
    except ImagemakeError as error:
        _tell(error.in_words())
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _tell("\nStopped.")
        sys.exit(ExitCode.INTERRUPTED)
    except OSError as error:
        words = words_of(error)
        if words is None:
            raise
        _tell("\n  ".join(words))
        sys.exit(ExitCode.NOT_READY)
    except Exception:  # a bug of ours or of a plug-in: its traceback goes to logs, so it holds no secret
        told = traceback.format_exc()
        if (shown := redacted(told)) == told:
            raise
        _tell(shown)
        sys.exit(ExitCode.INCOMPLETE)


def _tell(words: str) -> None:
    with suppress(OSError):  # standard error can be a log on a full disk
        print(redacted(words), file=sys.stderr, flush=True)
