"""What an error of a whole file of requests means for each of them, and errors of each for the whole file."""

from __future__ import annotations

from collections.abc import Sequence

from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.plugins.providers.failures import STOPS
from imagemake.stages.generate.doubt import DOUBTFUL

# Errors of a file that every other file meets too, until the user does something.
ENDS_ALL = (*STOPS, FailureKind.CONFIGURATION)


def nothing_sent(error: ProviderError) -> ProviderError:
    """Return the error of a file that was not taken as the error of its requests: nothing is final for a key."""
    passing = FailureKind.NOT_RETRYABLE if error.failure is FailureKind.REFUSED else FailureKind.UNAVAILABLE
    failure = error.failure if error.failure in ENDS_ALL else passing
    return ProviderError(str(error), failure, code=error.code, status=error.status, remedy=error.remedy)


def alike(ended: Sequence[ProviderError | None]) -> list[ProviderError]:
    """Return the errors of a batch if each of its requests met one that may concern all, or nothing.

    Args:
        ended: How each request ended; None for an image.
    """
    errors = [error for error in ended if error is not None and error.failure in DOUBTFUL]
    return errors if len(errors) == len(ended) else []
