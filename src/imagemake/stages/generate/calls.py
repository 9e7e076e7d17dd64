"""Generate the images of one batch, each once.

The order of steps per image makes this safe: claim the key, look in the store, and only then call; see
`imagemake.stages.generate.one_call`. If the process is killed, at most the calls in flight are lost.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from imagemake.core.backoff import backoff_s
from imagemake.core.errors import ExitCode, ImagemakeError, InterruptedByUserError
from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.plugins.providers.failures import STOPS
from imagemake.plugins.providers.local import LocalProvider
from imagemake.stages.generate.doubt import Doubt
from imagemake.stages.generate.gate import Gate
from imagemake.stages.generate.one_call import OUTCOMES, Caller
from imagemake.stages.generate.queued import StillInQueueError
from imagemake.stages.generate.rate_headers import has_room
from imagemake.stages.generate.used_up import NO_QUOTA, UsedUp
from imagemake.store.fallback import KeptElsewhereError
from imagemake.store.items import FailureReason, Item, ItemFailure
from imagemake.store.open_calls import OpenCall
from imagemake.store.spending import OverBudgetError
from imagemake.store.store import DamagedError, StoredFile
from imagemake.store.submissions import Submissions

T = TypeVar("T")
CLAIM_POLL_S = 0.2
HTTP_OVERLOADED = 503

STOPPED = ItemFailure(FailureReason.STOPPED, "the run was stopped before this call")
IN_A_BATCH = ItemFailure(FailureReason.WAITING, "waiting in a batch that another run submitted")
FINAL = (FailureKind.REFUSED, FailureKind.UNREADABLE, FailureKind.NOT_RETRYABLE, FailureKind.CONFIGURATION)


class StoppedError(ImagemakeError):
    """No call can succeed until the user acts; the remedy says how."""

    exit_code = ExitCode.STOPPED

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.remedy = remedy

    @classmethod
    def by(cls, error: ProviderError, model: str, url: str | None, remedy: str) -> StoppedError:
        """Return the error of a model.

        Args:
            error: What the provider said.
            model: Name of the model.
            url: Address of its server; None for the provider's own.
            remedy: What the user can do.
        """
        return cls(f"{model} at {url}: {error}" if url else f"{model}: {error}", remedy)


class ToldToStopError(StoppedError, InterruptedByUserError):
    """Ctrl-C or a signal told the process to end."""

    exit_code = ExitCode.INTERRUPTED


@dataclass(slots=True)
class CallRunner:
    """Generates the images of one batch.

    Attributes:
        caller: Makes the calls, one at a time for each image.
        used_up: Knows whether the quota of the model is used up; None if no other model can take over.
        stopped_by: The error after which no call can succeed.
        done: Number of images and of failures per reason so far.
    """

    caller: Caller
    used_up: UsedUp | None = None
    stopped_by: ProviderError | None = None
    done: Counter[FailureReason | None] = field(default_factory=Counter)
    _submissions: Submissions = field(init=False)
    _doubt: Doubt = field(init=False)

    def __post_init__(self) -> None:
        self._submissions = Submissions(self.caller.store.root)
        self._doubt = Doubt(self.gate)

    @property
    def gate(self) -> Gate:
        """Limits concurrent calls and rates."""
        return self.caller.gate

    @property
    def in_queue(self) -> int:
        """Calls that stay in the provider's queue, or are waited for there."""
        return self.caller.responses.in_queue

    async def generate_all(self, items: Sequence[Item]) -> list[Item]:
        """Generate every image that the store does not have.

        Returns:
            The items in their order, each with its raw image or its failure.

        Raises:
            StoppedError: If no call can succeed; every image that arrived is in the store.
        """
        order = sorted(range(len(items)), key=lambda place: self._comes_before(items[place]))
        tasks = {place: asyncio.ensure_future(self._item_counted(items[place])) for place in order}
        made = await asyncio.gather(*(tasks[place] for place in range(len(items))), return_exceptions=True)
        errors = [outcome for outcome in made if isinstance(outcome, BaseException)]
        for error in sorted(errors, key=lambda error: not isinstance(error, KeptElsewhereError)):
            raise error  # only after all calls in flight have ended
        if self.stopped_by is not None:
            model, url = items[0].recipe.model, self.caller.provider.connection.base_url
            raise StoppedError.by(self.stopped_by, model, url, self.caller.provider.remedy_of(self.stopped_by))
        if self._doubt.error is not None:  # no second request could tell whether it concerns all
            print(f"{self.caller.journal.job}: Warning: {self._doubt.error.in_words()}", file=sys.stderr, flush=True)
        return [item for item in made if isinstance(item, Item)]

    def _comes_before(self, item: Item) -> tuple[bool, str]:
        """Return what sorts items: submitted ones come first, as their URLs expire; then what a model makes at once."""
        kin = self.caller.provider.kin(item.recipe) if isinstance(self.caller.provider, LocalProvider) else ""
        return not self.caller.may_be_open(item.key), kin

    def stop(self) -> None:
        """Start no new call, and give up what costs nothing to make again."""
        self.gate.stopping.set()
        if isinstance(self.caller.provider, LocalProvider):
            self.caller.provider.stop()

    async def _item_counted(self, item: Item) -> Item:
        try:
            done = await self._item(item)
        except Exception:  # a full disk, a broken plug-in: start no new call, and let calls in flight end
            self.gate.stopping.set()
            raise
        self.done[done.failure.reason if done.failure else None] += 1
        return done

    async def _item(self, item: Item) -> Item:
        async with self.gate:
            try:
                return await self._claimed(item)
            finally:
                self._doubt.leave(item.key)

    async def _claimed(self, item: Item) -> Item:
        if not self.caller.provider.paid:
            return await self._adopt_or_buy(item)
        claim = self.caller.store.claim(item.key)
        while not await self._look(claim.acquire, wait=False):
            await self.gate.pause(CLAIM_POLL_S)
            if self.gate.is_closed:
                return replace(item, failure=STOPPED)
        try:
            return await self._adopt_or_buy(item)
        finally:
            await self._look(claim.release, remove=True)

    async def _look(self, look: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Look into the store, or take a claim: in a thread if the store is in a bucket, and else that costs more."""
        return await asyncio.to_thread(look, *args, **kwargs) if self.caller.store.is_remote else look(*args, **kwargs)

    async def _adopt_or_buy(self, item: Item) -> Item:
        stored = await self._look(self.caller.store.raw.find, item.key)
        if stored is not None:
            return replace(item, raw=stored)
        if self.caller.provider.paid and self._submissions.holds(item.key):
            return replace(item, failure=IN_A_BATCH)
        submitted = await self.caller.open_call(item.key)
        if submitted is None and self.caller.team_cache is not None and self.caller.provider.paid:
            stored = await asyncio.to_thread(self.caller.team_cache.take, item)
            if stored is not None:
                return replace(item, raw=stored)
        return await self._buy(item, submitted)

    async def _buy(self, item: Item, submitted: OpenCall | None) -> Item:
        failure, started = STOPPED, time.time()
        for tried in range(0 if submitted else 1, self.caller.limits.tries + 1):
            if tried:
                await self._doubt.may_start(item.key)
                started = await self.gate.wait_for_start()
                if self.used_up is not None and self.used_up.is_told():
                    failure = NO_QUOTA
                    self.gate.close()
                if self.gate.is_closed:
                    break
            try:
                stored = await self._image_of(item, tried, started, submitted)
                self._doubt.concerns_all(item.key, None)
                return replace(item, raw=stored)
            except OverBudgetError as error:
                failure = ItemFailure(FailureReason.BUDGET, str(error))
                break
            except DamagedError as error:
                failure = ItemFailure(FailureReason.FAILED, f"{error}; the next run copies it again")
                break
            except StillInQueueError as error:
                failure = ItemFailure(FailureReason.WAITING, str(error))
                if error.error is not None and error.error.failure in STOPS:
                    self.give_up(error.error)
                break
            except ProviderError as error:
                failure = ItemFailure(FailureReason(OUTCOMES[error.failure]), str(error))
                if not self._may_try_again(item, error, is_last=tried == self.caller.limits.tries):
                    break
                if tried < self.caller.limits.tries:
                    await self.gate.pause(self._wait_s(error, tried, started))
        return replace(item, failure=failure)

    async def _image_of(self, item: Item, tried: int, started: float, submitted: OpenCall | None) -> StoredFile:
        """Make a call; before the first one, wait for the call that an earlier process submitted."""
        if tried == 0 and submitted is not None:
            return await self.caller.take_up(item, submitted)
        return await self.caller.call(item, tried, started)

    def give_up(self, error: ProviderError) -> None:
        """Start no further call, because none can succeed; calls in flight end."""
        self.stopped_by = self.stopped_by or error
        self.gate.stopping.set()

    def _may_try_again(self, item: Item, error: ProviderError, *, is_last: bool) -> bool:
        # An address that cannot be reached is tried as often as any other failure before it counts.
        tells = is_last or error.failure is not FailureKind.UNREACHABLE
        concerns_all = tells and self._doubt.concerns_all(item.key, error)
        if error.failure is FailureKind.QUOTA and self.used_up is not None:
            self.used_up.tell(error, self.caller.provider.remedy_of(error))
            self.gate.close()
        elif error.failure in STOPS or concerns_all:
            self.give_up(error)
        hold = error.failure is FailureKind.UNKNOWN and self.caller.limits.unknown == "hold"
        return not concerns_all and error.failure not in (*FINAL, *STOPS) and not hold

    def _wait_s(self, error: ProviderError, tried: int, started: float) -> float:
        limits = self.caller.limits
        wait_s = backoff_s(limits.first_wait_s, limits.longest_wait_s, tried, error.retry_after_s)
        is_limit = error.failure is FailureKind.RATE_LIMITED
        is_limit = is_limit and not has_room(error.headers, error.limit, self.gate.pace.call_tokens())
        if is_limit or error.status == HTTP_OVERLOADED:
            self.gate.slow_down(started, wait_s, asked=error.retry_after_s is not None)
        return wait_s
