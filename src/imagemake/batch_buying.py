"""Buying many pictures at once, at half the price, through a provider's Batch API.

A submission is on disk before anything is uploaded, its calls are in the journal before the batch is created, and its
file goes when each call is closed. So a killed run leaves a submission that the next one picks up, never a second bill.
"""

from __future__ import annotations

import asyncio
import random
import sys
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import orjson

from imagemake.batch import Failure, Item
from imagemake.budget import OverBudgetError, Purse
from imagemake.buyer import IN_A_BATCH, OUTCOMES
from imagemake.collecting import Collector
from imagemake.files import FileLock
from imagemake.journal import Journal
from imagemake.limits import Limits
from imagemake.models import Model, worst_usd
from imagemake.providers import Failure as ProviderFailure
from imagemake.providers import ProviderError
from imagemake.providers.batches import BatchProvider, BatchState
from imagemake.sent_pictures import upload_for_batch
from imagemake.store import Store
from imagemake.submissions import Step, Submission, Submissions

T = TypeVar("T")
MOST_LINES = 50_000  # of the Batch API, a file
MOST_BYTES = 200 * 10**6
FIND_TRIES = 3
HTTP_NOT_FOUND = 404


@dataclass(slots=True)
class BatchBuyer:
    """Makes the pictures of one job through batches of the provider, and collects those that others submitted.

    Attributes:
        provider: Who makes them.
        provider_name: Its registered name.
        store: Where they go.
        limits: Tries and waits.
        purse: What may be spent.
        campaign: Name for the journal.
        job: Name for the journal file.
        model_of: The model table's entry for a model name; None where it has none.
        failures: Why a key has no picture, as far as this job knows.
    """

    provider: BatchProvider
    provider_name: str
    store: Store
    limits: Limits
    purse: Purse
    campaign: str
    job: str
    model_of: Callable[[str], Model | None]
    failures: dict[str, Failure] = field(default_factory=dict)
    _reserved: dict[str, Decimal] = field(default_factory=dict)
    _tried: Counter[str] = field(default_factory=Counter)

    @property
    def submissions(self) -> Submissions:
        """The open submissions of the store."""
        return Submissions(self.store.root)

    async def collect_open(self, items: Sequence[Item]) -> None:
        """Collect every open submission that has a key of the job, whoever submitted it.

        Of the others, those that are over are collected too: what nobody asks for any more was paid for all the same.
        """
        keys = {item.key for item in items}
        for submission in list(self.submissions.all()):
            if (submission.provider, submission.endpoint) != (self.provider_name, items[0].recipe.endpoint):
                continue
            await self._attach(submission, waits=not keys.isdisjoint(submission.calls.values()))

    async def buy_all(self, items: Sequence[Item]) -> list[Item]:
        """Submit what the store does not hold, and collect it; what failed is submitted again within the limits.

        Returns:
            The items in their order, each with its raw picture or its failure.

        Raises:
            ProviderError: `Failure.STOP`, if nothing will work until the user does something.
        """
        wanted = {item.key: item for item in items}
        while chosen := [item for item in wanted.values() if self._may_ask(item)]:
            for item in chosen:
                self.failures.pop(item.key, None)
            for group in self._groups(chosen):
                await self._submit(group)
        return [self.with_raw(item) for item in items]

    def with_raw(self, item: Item) -> Item:
        """Return an item with its picture or its failure."""
        held = self.store.raw.find(item.key)
        lost = Failure("failed", "the batch brought no picture")
        return replace(item, raw=held) if held else replace(item, failure=self.failures.get(item.key, lost))

    def _may_ask(self, item: Item) -> bool:
        if self.store.raw.find(item.key) is not None or self._tried[item.key] >= self.limits.tries:
            return False
        failure = self.failures.get(item.key)
        again = ("failed", "unknown") if self.limits.unknown == "retry" else ("failed",)
        return failure is None or failure.reason in again

    def _groups(self, items: Sequence[Item]) -> list[list[Item]]:
        groups: dict[tuple[str, str], list[list[Item]]] = defaultdict(list)
        sizes: dict[tuple[str, str], int] = {}
        for item in items:
            endpoint, _ = self.provider.batch_request(item.recipe)
            kind = (endpoint, item.recipe.model)
            size = len(self._line("0" * 32, item))
            if not groups[kind] or len(groups[kind][-1]) >= MOST_LINES or sizes[kind] + size > MOST_BYTES:
                groups[kind].append([])
                sizes[kind] = 0
            groups[kind][-1].append(item)
            sizes[kind] += size
        return [group for of_kind in groups.values() for group in of_kind]

    def _line(self, call: str, item: Item) -> bytes:
        endpoint, body = self.provider.batch_request(item.recipe)
        line = {"custom_id": call, "method": "POST", "url": endpoint, "body": body}
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)

    async def _submit(self, group: Sequence[Item]) -> None:
        identity = uuid.uuid4().hex
        lock = self.submissions.lock(identity)
        await _acquire(lock)
        try:
            prepared = await self._prepare(identity, group)
            if prepared is not None:
                submission, calls = prepared
                await self._send_and_collect(submission, calls)
        finally:
            lock.release(remove=True)

    async def _prepare(self, identity: str, group: Sequence[Item]) -> tuple[Submission, dict[str, Item]] | None:
        journal = Journal(self.store.journal_folder, self.job, durable=True)
        recipe = group[0].recipe
        calls = {uuid.uuid4().hex: item for item in group}
        submission = Submission(
            id=identity,
            step=Step.PREPARED,
            provider=self.provider_name,
            endpoint=recipe.endpoint,
            model=recipe.model,
            journal=str(journal.path.relative_to(self.store.root)),
            calls={},
            made_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
        submitting = self.submissions.submitting()
        await _acquire(submitting)
        try:
            elsewhere = {key for other in self.submissions.all() for key in other.calls.values()}
            # Our keys are on disk before their claims are tried: a sync buyer sees them, or we see its claim.
            submission = replace(submission, calls={call: item.key for call, item in calls.items()})
            self.submissions.save(submission)
            calls = {call: item for call, item in calls.items() if self._is_free(item, elsewhere) and self._fits(item)}
            submission = replace(submission, calls={call: item.key for call, item in calls.items()})
            if not calls:
                self.submissions.remove(submission)
                return None
            journal.sent_all(self._record(call, item, identity) for call, item in calls.items())
            journal.close()
            self.submissions.save(submission)
        finally:
            submitting.release()
        return submission, calls

    def _is_free(self, item: Item, elsewhere: set[str]) -> bool:
        claim = self.store.claim(item.key)
        free = item.key not in elsewhere and claim.acquire(wait=False)
        if free:
            claim.release(remove=True)
        else:
            self.failures[item.key] = IN_A_BATCH
        return free and self.store.raw.find(item.key) is None

    def _fits(self, item: Item) -> bool:
        try:
            self._reserved[item.key] = self.purse.reserve(item.key, self._worst_usd(item))
        except OverBudgetError as error:
            self.failures[item.key] = Failure("budget", str(error))
            return False
        self._tried[item.key] += 1
        return True

    def _worst_usd(self, item: Item) -> float | None:
        model = self.model_of(item.recipe.model)
        return worst_usd(model, item.recipe, batch=True) if model else None

    def _record(self, call: str, item: Item, identity: str) -> dict[str, object]:
        return {
            "call": call,
            "campaign": self.campaign,
            "name": item.name,
            "key": item.key,
            "attempt": item.attempt,
            "tried": self._tried[item.key],
            "recipe": item.recipe.as_dict(),
            "worst_usd": self._worst_usd(item),
            "submission": identity,
        }

    async def _send_and_collect(self, submission: Submission, calls: dict[str, Item]) -> None:
        collector = self._collector(submission)
        try:
            await upload_for_batch(self.provider, (item.recipe for item in calls.values()), self.store)
            file = await self.provider.upload_batch(b"".join(self._line(call, item) for call, item in calls.items()))
        except ProviderError as error:
            collector.close_all(_nothing_sent(error))
            return self._stop_on(error)
        submission = replace(submission, step=Step.CREATING)
        self.submissions.save(submission)
        endpoint, _ = self.provider.batch_request(next(iter(calls.values())).recipe)
        try:
            state = await self.provider.create_batch(file, endpoint, _metadata(submission))
        except ProviderError as error:
            if error.failure is not ProviderFailure.UNKNOWN:
                collector.close_all(_nothing_sent(error))
                return self._stop_on(error)
            return await self._work_on(submission)
        submission = replace(submission, step=Step.CREATED, batch=state.id)
        self.submissions.save(submission)
        await self._collect(submission)
        return None

    async def _attach(self, submission: Submission, *, waits: bool) -> None:
        lock = self.submissions.lock(submission.id)
        if waits:
            await _acquire(lock)
        elif not lock.acquire(wait=False):  # somebody else works on it
            return
        try:
            now = self.submissions.read(submission)
            if now is not None and (waits or await self._is_over(now)):
                await self._work_on(now)
        finally:
            lock.release(remove=True)

    async def _work_on(self, submission: Submission) -> None:
        if submission.step is Step.PREPARED:
            error = ProviderError("the run ended before this was sent", ProviderFailure.UNAVAILABLE)
            return self._collector(submission).close_all(error)
        if submission.step is Step.CREATING:
            found = await self._find(submission)
            if found is None:
                error = ProviderError("no batch of this submission is listed", ProviderFailure.UNKNOWN)
                return self._collector(submission).close_all(error)
            submission = replace(submission, step=Step.CREATED, batch=found.id)
            self.submissions.save(submission)
        await self._collect(submission)
        return None

    async def _is_over(self, submission: Submission) -> bool:
        if submission.step is not Step.CREATED:
            return True
        state = await self._state(submission.batch or "")
        return state is None or state.is_over

    async def _state(self, batch: str) -> BatchState | None:
        """Ask how far a batch is; None where the provider does not know it any more."""
        try:
            return await self._patiently(lambda: self.provider.poll_batch(batch))
        except ProviderError as error:
            if error.status == HTTP_NOT_FOUND:
                return None
            raise

    async def _find(self, submission: Submission) -> BatchState | None:
        for tried in range(FIND_TRIES):  # a list may lag behind what was made just now
            await asyncio.sleep(tried * self.limits.first_wait_s)
            found = await self._patiently(lambda: self.provider.find_batch(_metadata(submission)))
            if found is not None:
                return found
        return None

    async def _collect(self, submission: Submission) -> None:
        collector = self._collector(submission)
        batch = submission.batch or ""
        wait_s = self.limits.first_wait_s
        while (state := await self._state(batch)) is not None and not state.is_over:
            self._tell(f"{state.id}: {state.status}, {state.n_done:,} of {state.n_all:,}")
            await asyncio.sleep(wait_s * random.uniform(0.75, 1.25))  # noqa: S311  spreads load
            wait_s = min(2 * wait_s, self.limits.longest_wait_s)
        if state is None:
            gone = f"the provider does not know {batch} any more"
            return collector.close_all(ProviderError(gone, ProviderFailure.UNKNOWN, status=HTTP_NOT_FOUND))
        for file in state.files:
            await self._take(collector, file)
        self._tell(f"{state.id}: {state.status}, {collector.told()}")
        missing = state.error or ProviderError("the batch ended without a line for it", ProviderFailure.UNKNOWN)
        collector.close_all(missing)
        for file in (*state.files, state.input_file):
            with suppress(ProviderError):
                await self.provider.delete_batch_file(file)
        return self._stop_on(collector.stopped_by)

    async def _take(self, collector: Collector, file: str) -> None:
        try:
            await self._patiently(lambda: collector.take(self.provider, file))
        except ProviderError as error:
            if error.status != HTTP_NOT_FOUND:
                raise
            self._tell(f"{file} is gone at the provider: {error}")  # its calls end as unknown

    async def _patiently(self, ask: Callable[[], Coroutine[None, None, T]]) -> T:
        """Ask again for as long as it takes: the batch goes on at the provider, and nothing is lost by waiting."""
        wait_s = self.limits.first_wait_s
        while True:
            try:
                return await ask()
            except ProviderError as error:
                if error.failure in (ProviderFailure.STOP, ProviderFailure.REFUSED):
                    message = f"{error}; the batch stays open, and the next run asks for it again"
                    raise ProviderError(
                        message, ProviderFailure.STOP, status=error.status, remedy=error.remedy
                    ) from None
                self._tell(f"{error}; asking again")
            await asyncio.sleep(wait_s * random.uniform(0.75, 1.25))  # noqa: S311  spreads load
            wait_s = min(2 * wait_s, self.limits.longest_wait_s)

    def _collector(self, submission: Submission) -> Collector:
        return Collector(submission, self.store, self.job, self.model_of, self._closed)

    def _closed(self, key: str, error: ProviderError | None, cost_usd: float | None) -> None:
        if error is not None:
            self.failures[key] = Failure(OUTCOMES[error.failure].value, str(error))
        reserved = self._reserved.pop(key, None)
        if reserved is not None:
            self.purse.settle(reserved, cost_usd)

    @staticmethod
    def _stop_on(error: ProviderError | None) -> None:
        if error is not None and error.failure is ProviderFailure.STOP:
            raise error

    def _tell(self, what: str) -> None:
        with suppress(OSError):
            print(f"{self.job}: {what}", file=sys.stderr, flush=True)


def _metadata(submission: Submission) -> dict[str, str]:
    return {"imagemake_submission": submission.id}


def _nothing_sent(error: ProviderError) -> ProviderError:
    # Nothing was made yet: not even a refusal of the file is final for a key.
    failure = error.failure if error.failure is ProviderFailure.STOP else ProviderFailure.UNAVAILABLE
    return ProviderError(str(error), failure, code=error.code, status=error.status, remedy=error.remedy)


async def _acquire(lock: FileLock) -> None:
    while not lock.acquire(wait=False):
        await asyncio.sleep(0.2)
