"""Claims on time: how long a call may take, and what happens when a run is stopped."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.testing.api import Delivery, Response
from imagemake.testing.base import LONGEST_S, image_by
from imagemake.testing.served import Served

LIMIT_S = 0.3
MOST_LATE_S = 2.0


class WaitingClaims(Served):
    """Claims on time."""

    @pytest.mark.parametrize("delivery", [Delivery.NEVER, Delivery.DRIPPING])
    def test_a_call_ends_at_its_timeout_even_if_bytes_keep_coming(self, delivery: Delivery) -> None:
        """`limits.timeout_s` is for the whole response, so a server that sends a byte now and then holds nothing up."""
        self._fail(Response(delivery=delivery))

        async def inside() -> tuple[ProviderError, float]:
            provider = self.provider(self.connection(timeout_s=LIMIT_S))
            started_s = time.monotonic()
            try:
                with pytest.raises(ProviderError) as caught:
                    await image_by(provider, self.recipe(), {})
                return caught.value, time.monotonic() - started_s
            finally:
                await provider.close()

        error, seconds = asyncio.run(inside())
        assert error.failure is FailureKind.UNKNOWN
        assert seconds < LIMIT_S + MOST_LATE_S
        assert len(self._paid()) == 1

    def test_a_response_without_end_is_cut_off(self) -> None:
        """Hundreds of calls are in flight, and each may take only so much memory: 96 MiB in base64 are enough."""
        self._fail(Response(delivery=Delivery.FLOOD))  # of 512 MiB
        self._failure()
        assert len(self._paid()) == 1
        asyncio.run(self._until(lambda: self.api.n_left == 1))

    def test_a_call_that_is_cancelled_ends_at_once_and_closes_its_connection(self) -> None:
        """A run that is stopped cancels its calls; the journal says that their outcome is unknown."""
        self._fail(Response(delivery=Delivery.NEVER))
        faults: list[dict[str, Any]] = []

        async def inside() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
            provider = self.provider(self.connection())
            call = asyncio.create_task(image_by(provider, self.recipe(), {}))
            await self._until(lambda: bool(self._paid()))
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(call, MOST_LATE_S)
            await provider.close()
            await self._until(lambda: self.api.n_left == 1)

        asyncio.run(inside())
        assert faults == []
        assert len(self._paid()) == 1

    @staticmethod
    async def _until(is_so: Any) -> None:
        async with asyncio.timeout(LONGEST_S):
            while not is_so():
                await asyncio.sleep(0.01)
