"""Follow batches at a provider until they are over, and collect their results, also those of other jobs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from imagemake.config.models import Model
from imagemake.config.run import Limits
from imagemake.core.backoff import poll_waits_s
from imagemake.core.files import FileLock
from imagemake.plugins.providers import BatchProvider, BatchState, FailureKind, ProviderError
from imagemake.plugins.providers.failures import STOPS
from imagemake.stages.generate.batches.collect import BatchCollector
from imagemake.store.items import Item
from imagemake.store.progress import JobProgress, no_progress
from imagemake.store.store import Store
from imagemake.store.submissions import Submission, Submissions, SubmissionStep

T = TypeVar("T")
HTTP_NOT_FOUND = 404


def _heed_nothing(key: str, error: ProviderError | None, cost_usd: float | None) -> None:
    """Let the journal alone have the outcome, where no request waits for it."""


@dataclass(slots=True)
class BatchPoller:
    """Follows the submissions of a store until they are over.

    Attributes:
        provider: The provider of the batches.
        provider_name: Registered name of the provider.
        store: The store that receives the images.
        limits: Waits.
        job: Name of the job, for messages.
        model_of: Returns the model table's entry for a model name, or None.
        progress: Takes what the job waits for.
        kind: What the calls are, for the journal; empty for images. The provider reads the results of no others.
        closed: Called per closed call with its key, error, and cost (None: the worst case may be billed).
    """

    provider: BatchProvider
    provider_name: str
    store: Store
    limits: Limits
    job: str
    model_of: Callable[[str], Model | None]
    progress: JobProgress = field(default_factory=no_progress)
    kind: str = ""
    closed: Callable[[str, ProviderError | None, float | None], None] = _heed_nothing

    def can_read(self, submission: Submission, endpoint: str | None) -> bool:
        """Return whether a submission has calls of this kind to a server of the provider."""
        of = (submission.provider, submission.endpoint, submission.kind)
        return of == (self.provider_name, endpoint, self.kind)

    @property
    def submissions(self) -> Submissions:
        """The open submissions of the store."""
        return Submissions(self.store.root)

    async def collect_open(self, items: Sequence[Item]) -> None:
        """Wait for and collect every open submission that has a key of the job, also those of other jobs.

        Other submissions are collected if they are over, because their images were paid for too.
        """
        keys = {item.key for item in items}
        for submission in list(self.submissions.all()):
            if not self.can_read(submission, items[0].recipe.endpoint):
                continue
            await self._attach(submission, waits=not keys.isdisjoint(submission.calls.values()))

    async def collect_if_over(self, submission: Submission) -> None:
        """Collect a submission if it is over, unless another process works on it."""
        await self._attach(submission, waits=False)

    async def collect_at_end(self, submission: Submission) -> bool:
        """Wait for a submission to end and collect it; return False at once if another process works on it."""
        lock = self.submissions.lock(submission.id)
        if not lock.acquire(wait=False):
            return False
        try:
            now = self.submissions.read(submission)
            if now is not None:
                await self.work_on(now)
        finally:
            lock.release(remove=True)
        return True

    async def _attach(self, submission: Submission, *, waits: bool) -> None:
        lock = self.submissions.lock(submission.id)
        if waits:
            await acquire(lock)
        elif not lock.acquire(wait=False):  # another process works on it
            return
        try:
            now = self.submissions.read(submission)
            if now is not None and (waits or await self._is_over(now)):
                await self.work_on(now)
        finally:
            lock.release(remove=True)

    async def work_on(self, submission: Submission) -> None:
        """Bring a submission, whose lock is held, from its current step to its end."""
        if submission.step is SubmissionStep.PREPARED:
            error = ProviderError("the run ended before this was sent", FailureKind.UNAVAILABLE)
            return self.collector(submission).close_all(error)
        if submission.step is SubmissionStep.CREATING:
            found = await self._find(submission)
            if found is None:
                error = ProviderError("the provider lists no batch of this submission", FailureKind.UNKNOWN)
                return self.collector(submission).close_all(error)
            submission = replace(submission, step=SubmissionStep.CREATED, batch=found.id)
            self.submissions.save(submission)
        await self.collect(submission)
        return None

    async def _is_over(self, submission: Submission) -> bool:
        if submission.step is not SubmissionStep.CREATED:
            return True
        state = await self._state(submission.batch or "")
        return state is None or state.is_over

    async def _state(self, batch: str) -> BatchState | None:
        """Return the state of a batch, or None if the provider no longer knows it."""
        try:
            return await self._patiently(lambda: self.provider.poll_batch(batch))
        except ProviderError as error:
            if error.status == HTTP_NOT_FOUND:
                return None
            raise

    async def _find(self, submission: Submission) -> BatchState | None:
        """Look for a batch that may have been created; the provider's list may lag behind."""
        longest_lag_s = 2 * self.limits.longest_wait_s
        waits_s = self.waits_s()
        while True:
            age_s = self.submissions.age_s(submission)
            found = await self._patiently(lambda: self.provider.find_batch(metadata_of(submission)))
            if found is not None or age_s >= longest_lag_s:
                return found
            self.tell(f"submission {submission.id} is not listed yet; asking again")
            await asyncio.sleep(next(waits_s))

    async def collect(self, submission: Submission) -> None:
        """Wait for a created batch to end, and close all of its calls."""
        collector = self.collector(submission)
        state = await self._end_of(submission.batch or "")
        if state is None:
            gone = f"the provider no longer knows {submission.batch}"
            return collector.close_all(ProviderError(gone, FailureKind.UNKNOWN, status=HTTP_NOT_FOUND))
        came = [await self._take(collector, file) for file in state.files]
        for number, wrong in state.bad_lines.items():
            collector.close_line(number, ProviderError(wrong, FailureKind.NOT_RETRYABLE))
        collector.close_all(_missing(state, knows_all=all(came) and collector.has_read_all))
        self.tell(f"{state.id}: {state.status}, {collector.told()}")
        if collector.has_all:
            await self._delete((*state.files, state.input_file))
        else:
            self.tell(f"{state.id}: files kept at the provider: {', '.join(state.files) or 'none'}")
        return stop_on(collector.stopped_by)

    async def _end_of(self, batch: str) -> BatchState | None:
        waits_s = self.waits_s()
        while (state := await self._state(batch)) is not None and not state.is_over:
            self.tell(f"{state.id}: {state.status}, {state.n_done:,} of {state.n_all:,}")
            self.progress.update(waits_for=f"a batch at the provider ({state.n_done:,} of {state.n_all:,} done)")
            await asyncio.sleep(next(waits_s))
        return state

    async def _delete(self, files: Sequence[str]) -> None:
        for file in files:
            with suppress(ProviderError):
                await self.provider.delete_batch_file(file)

    async def _take(self, collector: BatchCollector, file: str) -> bool:
        """Collect the results in a file; return whether the file exists."""
        try:
            await self._patiently(lambda: collector.take(file))
        except ProviderError as error:
            if error.status != HTTP_NOT_FOUND:
                raise
            self.tell(f"the provider no longer has {file}: {error}")  # its calls end as unknown
            return False
        return True

    async def _patiently(self, ask: Callable[[], Coroutine[None, None, T]]) -> T:
        """Retry for as long as it takes: the batch continues at the provider, and waiting loses nothing."""
        waits_s = self.waits_s()
        while True:
            try:
                return await ask()
            except ProviderError as error:
                if error.failure in (*STOPS, FailureKind.REFUSED, FailureKind.CONFIGURATION):
                    message = f"{error}; the batch stays open, and the next run asks for it again"
                    raise ProviderError(message, FailureKind.STOP, status=error.status, remedy=error.remedy) from None
                self.tell(f"{error}; asking again")
            await asyncio.sleep(next(waits_s))

    def waits_s(self) -> Iterator[float]:
        """Return the waits between looks at a batch, in seconds."""
        return poll_waits_s(self.limits.first_wait_s, self.limits.longest_wait_s)

    def collector(self, submission: Submission) -> BatchCollector:
        """Return the collector of a submission."""
        return BatchCollector(submission, self.store, self.provider, self.job, self.model_of, closed=self.closed)

    def tell(self, what: str) -> None:
        """Print a message of the job to standard error."""
        with suppress(OSError):
            print(f"{self.job}: {what}", file=sys.stderr, flush=True)


def _missing(state: BatchState, *, knows_all: bool) -> ProviderError:
    """Return the error of calls that have no line in the results of an ended batch."""
    if state.error is not None and state.bad_lines and state.error.failure is FailureKind.NOT_RETRYABLE:
        return ProviderError("another line of its file was invalid", FailureKind.UNAVAILABLE, code=state.error.code)
    if state.error is not None:
        return state.error
    if state.was_cancelled and knows_all:
        return ProviderError("the batch was canceled before this image was made", FailureKind.NOT_RETRYABLE)
    return ProviderError("the batch ended without a result for this image", FailureKind.UNKNOWN)


def metadata_of(submission: Submission) -> dict[str, str]:
    """Return the metadata by which a batch can be found again."""
    return {"imagemake_submission": submission.id}


def stop_on(error: ProviderError | None) -> None:
    """Raise the error if no call can succeed until the user acts."""
    if error is not None and error.failure in STOPS:
        raise error


async def acquire(lock: FileLock) -> None:
    """Wait for a lock without blocking other tasks."""
    while not lock.acquire(wait=False):
        await asyncio.sleep(0.2)
