"""Make one call: the journal has it before it is sent, and the store has its image before it is closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from imagemake.config.models import Model, gpus_of, is_by_gpu_hour, worst_usd
from imagemake.config.run import Limits
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import FailureKind, ImageResponse, Provider, ProviderError
from imagemake.plugins.providers.queue import QueueProvider, Ticket
from imagemake.stages.generate.answered import cost_of, facts_of, is_billed
from imagemake.stages.generate.fetching import fetched
from imagemake.stages.generate.gate import Gate
from imagemake.stages.generate.gpu_meter import GpuMeter
from imagemake.stages.generate.keeping import Keeper
from imagemake.stages.generate.responses import Responses, Running
from imagemake.store.items import Item
from imagemake.store.journal import Journal, Outcome
from imagemake.store.open_calls import OpenCall, OpenCalls
from imagemake.store.room import Room
from imagemake.store.sent_images import SentImages
from imagemake.store.spending import SpendTracker
from imagemake.store.store import Store, StoredFile
from imagemake.store.team.team_cache import TeamCache

OUTCOMES = {
    FailureKind.REFUSED: Outcome.REFUSED,
    FailureKind.UNREADABLE: Outcome.UNREADABLE,
    FailureKind.TO_FETCH: Outcome.UNREADABLE,
    FailureKind.UNKNOWN: Outcome.UNKNOWN,
    FailureKind.RATE_LIMITED: Outcome.FAILED,
    FailureKind.UNAVAILABLE: Outcome.FAILED,
    FailureKind.NOT_RETRYABLE: Outcome.FAILED,
    FailureKind.STOP: Outcome.FAILED,
    FailureKind.QUOTA: Outcome.FAILED,
    FailureKind.CONFIGURATION: Outcome.FAILED,
    FailureKind.UNREACHABLE: Outcome.FAILED,
}


@dataclass(slots=True)
class Caller:
    """Makes single calls.

    Attributes:
        provider: The provider that makes the images.
        store: The store that receives them.
        journal: Records each call.
        limits: Has the longest wait in a provider's queue.
        gate: Learns from each response how fast calls may start.
        spend_tracker: Keeps the budget.
        campaign: Name for the journal.
        model_of: Returns the model table's entry for a model name, or None.
        team_cache: Receives the images; None without a team store.
        room: Tells before a call whether its image will find room; None if nothing is to be checked.
        meter: Measures how long images keep a GPU busy.
        kind: What the calls are, for the journal; empty for images.
        worst_usd_of: Returns the most that a call can cost by the model table, if calls make no images.
        responses: Gets what the provider answers.
    """

    provider: Provider
    store: Store
    journal: Journal
    limits: Limits
    gate: Gate
    spend_tracker: SpendTracker
    campaign: str
    model_of: Callable[[str], Model | None]
    team_cache: TeamCache | None = None
    room: Room | None = None
    meter: GpuMeter = field(default_factory=lambda: GpuMeter(is_on=False))
    kind: str = ""
    worst_usd_of: Callable[[Model | None, Recipe], float | None] | None = None
    responses: Responses = field(init=False)
    _sent_images: SentImages = field(init=False)
    _keeper: Keeper = field(init=False)
    _open_calls: OpenCalls | None = field(init=False)

    def __post_init__(self) -> None:
        self.responses = Responses(self.provider, self.gate, self.limits)
        self._keeper = Keeper(self.store, self.journal, self.provider.paid)
        self._sent_images = SentImages(self.store)
        self._open_calls = OpenCalls(self.store.root) if isinstance(self.provider, QueueProvider) else None

    async def call(self, item: Item, tried: int, started: float) -> StoredFile:
        """Make one call for an item, whose claim is held, and return the raw image.

        Args:
            item: The item.
            tried: Number of the try, from 1.
            started: As the gate let it start, in seconds of Unix time.

        Raises:
            OverBudgetError: If the call does not fit the budget; nothing was sent.
            DamagedError: If the store has lost a reference image; nothing was sent.
            ProviderError: If no image came; the journal has the outcome.
            StillInQueueError: If the call stays in the provider's queue; the next run takes it up.
            NotReadyError: If there is no room for the image, and nothing was sent; or if another folder has it.
        """
        if self.room is not None:
            self.room.check(item.recipe)
        model = self.model_of(item.recipe.model)
        worst = self._worst_usd(model, item)
        images = await self._images_for(item)
        if self.store.is_remote:
            reserved = await asyncio.to_thread(self.spend_tracker.reserve, item.key, worst)
        else:
            reserved = self.spend_tracker.reserve(item.key, worst)
        if self._open_calls is not None:
            await asyncio.to_thread(self._open_calls.begin, item.key, self.journal.path)
        call = await self._write(
            self.journal.sent,
            campaign=self.campaign,
            name=item.name,
            key=item.key,
            attempt=item.attempt,
            tried=tried,
            recipe=item.recipe.as_dict(),
            worst_usd=worst,
            **({"kind": self.kind} if self.kind else {}),
        )
        running = Running(call, item, model, self._keeper, started, reserved)
        return await self._ended(running, self.responses.of(running, images))

    def _worst_usd(self, model: Model | None, item: Item) -> float | None:
        if self.worst_usd_of is not None:
            return self.worst_usd_of(model, item.recipe)
        if not self.provider.paid and not is_by_gpu_hour(model):
            return 0.0
        return worst_usd(model, item.recipe, longest_s=self.limits.timeout_s) if model else None

    def may_be_open(self, key: str) -> bool:
        """Return whether an earlier process may have submitted a call for a key."""
        return self._open_calls is not None and self._open_calls.may_have(key)

    async def open_call(self, key: str) -> OpenCall | None:
        """Return the call that an earlier process submitted for a key, whose claim is held; None if there is none."""
        if self._open_calls is None or not self.may_be_open(key):
            return None
        found = await asyncio.to_thread(self._open_calls.find, key)
        if found is None:
            self._open_calls.end(key)
        return found

    async def take_up(self, item: Item, found: OpenCall) -> StoredFile:
        """Wait for a call that an earlier process submitted, and return the raw image; see `call`.

        Args:
            item: The item, whose claim is held.
            found: Its open call.
        """
        journal = Journal(found.journal.parent, self.journal.job, durable=True, path=found.journal)
        keeper = Keeper(self.store, journal, paid=True)
        running = Running(found.call.sent["call"], item, self.model_of(item.recipe.model), keeper, time.time())
        self.responses.in_queue += 1
        try:
            return await self._ended(running, self.responses.queued(Ticket.from_dict(found.ticket)))
        finally:
            journal.close()

    async def _ended(self, running: Running, response: Awaitable[ImageResponse]) -> StoredFile:
        """Wait for the response to a call, keep what came, and close the call."""
        call, item, keeper = running.call, running.item, running.keeper
        start = time.monotonic()
        try:
            with self.meter.call() as busy:
                answer, was_kept = await self._answer(call, response)
        except ProviderError as error:
            cost = await self._close_failed(running, error, time.monotonic() - start)
            await self._settle(running, cost)
            refused = error.failure is FailureKind.RATE_LIMITED
            self.gate.heed(error.headers, error.usage, running.started, refused=refused)
            keeper.end()
            raise
        if self.room is not None:
            self.room.note(item.recipe, len(answer.image))
        stored = await keeper.image(item.key, answer.image)
        more = await keeper.more(call, answer.more) if answer.more else None
        gpu = self.meter.record(busy, answer.seconds, gpus_of(running.model))
        cost = cost_of(running.model, answer, paid=self.provider.paid, gpu_seconds=gpu["seconds"] if gpu else None)
        end = await keeper.closed(
            call,
            Outcome.MADE,
            key=item.key,
            status=200,
            cost_usd=cost,
            **facts_of(answer, self.provider, item.recipe.model),
            seconds=round(time.monotonic() - start if answer.seconds is None else answer.seconds, 3),
            gpu=gpu,
            digest=stored.digest,
            more=more,
        )
        await self._settle(running, cost)
        keeper.end()
        if was_kept:
            await asyncio.to_thread(self.store.forget_unreadable, call)
        if self.team_cache is not None and self.provider.paid:
            self.team_cache.give(stored, item.recipe.as_dict(), end)
        self.gate.heed(answer.headers, answer.usage, running.started)
        self.gate.went_well()
        return stored

    async def _answer(self, call: str, response: Awaitable[ImageResponse]) -> tuple[ImageResponse, bool]:
        """Return the response with its image, and whether the store keeps the response until the image is in it."""
        try:
            return await response, False
        except ProviderError as error:
            if error.failure is not FailureKind.TO_FETCH:
                raise
            return await fetched(self.provider, self.store, call, error), True

    async def _images_for(self, item: Item) -> Mapping[str, bytes]:
        return await asyncio.to_thread(self._sent_images.of, item.recipe) if item.recipe.files else {}

    async def _settle(self, running: Running, cost: float | None) -> None:
        if running.reserved is not None:
            self.spend_tracker.record_cost(running.reserved, cost)
        if self._open_calls is not None:
            # In a thread: while others force bytes to disk, the file system makes this wait for milliseconds. To its
            # end: the claim is held, so that this cannot remove the mark of another call.
            await running.keeper.to_its_end(partial(self._open_calls.end, running.item.key))

    async def _close_failed(self, running: Running, error: ProviderError, seconds: float) -> float | None:
        if error.body is not None:
            await running.keeper.unreadable(running.call, error.body)
        cost: float | None = 0.0
        if is_billed(error):
            cost = cost_of(running.model, error, paid=self.provider.paid)
        elif error.failure is FailureKind.UNKNOWN:
            cost = None
        await running.keeper.closed(
            running.call,
            OUTCOMES[error.failure],
            key=running.item.key,
            status=error.status,
            code=error.code,
            message=str(error)[:2000],
            **facts_of(error, self.provider, running.item.recipe.model),
            quota=error.failure is FailureKind.QUOTA or None,
            cost_usd=cost or None,  # a call without an image has no cost to record
            seconds=round(seconds, 3),
        )
        return cost

    async def _write(self, write: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # Forcing bytes to disk takes milliseconds: a thread lets other calls continue. Otherwise, a thread costs more.
        if self.provider.paid:
            return await asyncio.to_thread(write, *args, **kwargs)
        await asyncio.sleep(0)  # so that other calls and the progress messages get their turn
        return write(*args, **kwargs)
