"""Whether an error concerns one request or all of them: calls are held back until a second response tells.

A wrong address, a mistyped model, or a proxy that answers in the server's place fails every request. Without this,
the whole catalog would be sent before anybody notices.
"""

from __future__ import annotations

from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.stages.generate.gate import Gate

LOOK_EVERY_S = 0.1

# Errors that every request of the model may meet.
DOUBTFUL = (FailureKind.CONFIGURATION, FailureKind.UNREACHABLE, FailureKind.UNREADABLE)
# Errors that say nothing about the others.
_SAYS_NOTHING = (FailureKind.UNKNOWN, FailureKind.UNAVAILABLE)


class Doubt:
    """Lets one call at a time go while an error may concern all calls of a model.

    Args:
        gate: Of the calls; when it stops, nobody waits any longer.

    Attributes:
        error: What is in doubt; None while nothing is.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.error: ProviderError | None = None
        self._key: str | None = None  # of the request whose error is in doubt
        self._probe: str | None = None  # of the request that was sent to find out

    async def may_start(self, key: str) -> None:
        """Wait until a call may start.

        Args:
            key: Of its request.
        """
        while self._key is not None and self._probe not in (None, key) and not self._gate.is_closed:
            await self._gate.pause(LOOK_EVERY_S)
        if self._key is not None:
            self._probe = key

    def concerns_all(self, key: str, error: ProviderError | None) -> bool:
        """Take a response into account, and return whether every call of the model must be given up.

        Args:
            key: Of the request.
            error: What came of it; None for an image.
        """
        is_doubtful = error is not None and error.failure in DOUBTFUL
        is_second = is_doubtful and self._key not in (None, key)
        if is_doubtful:
            self._key, self.error = self._key or key, self.error or error
        elif error is None or error.failure not in _SAYS_NOTHING:
            self._key = self.error = None
        return is_second

    def leave(self, key: str) -> None:
        """Let another request find out: this one starts no more calls."""
        if self._probe == key:
            self._probe = None
