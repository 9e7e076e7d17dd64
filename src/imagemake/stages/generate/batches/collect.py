"""Close the calls of one submission; each image is in the store before its call is closed."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from itertools import islice

from imagemake.config.models import Model
from imagemake.core.known_secrets import redacted
from imagemake.core.problems import NotReadyError
from imagemake.plugins.providers import BatchProvider, FailureKind, ImageResponse, ProviderError, Result
from imagemake.plugins.providers.failures import STOPS
from imagemake.stages.generate.answered import cost_of, facts_of, is_billed
from imagemake.stages.generate.fetching import fetched
from imagemake.stages.generate.one_call import OUTCOMES
from imagemake.store.journal import Call, Journal, Outcome, calls_in
from imagemake.store.room import MARGIN_BYTES, check_folder
from imagemake.store.store import Store
from imagemake.store.submissions import Submission, Submissions, SubmissionStep

FETCHES_AT_ONCE = 8


class BatchCollector:
    """Collects the results of one submission, whose lock is held.

    Args:
        submission: The submission.
        store: The store that receives its images.
        provider: The provider that has the batch.
        job: Name of the job, for messages.
        model_of: Returns the model table's entry for a model name, or None.
        closed: Called per closed call with its key, error, and cost (None: the worst case may be billed).
    """

    def __init__(
        self,
        submission: Submission,
        store: Store,
        provider: BatchProvider,
        job: str,
        model_of: Callable[[str], Model | None],
        *,
        closed: Callable[[str, ProviderError | None, float | None], None],
    ) -> None:
        self._submission, self._store, self._provider = submission, store, provider
        self._model_of, self._told_closed = model_of, closed
        path = store.root / submission.journal
        calls = [call for call in calls_in(path) if call.sent.get("submission") == submission.id]
        if submission.step is not SubmissionStep.PREPARED:  # a call whose record was lost has a result all the same
            known = {call.sent["call"] for call in calls}
            lost = ((call, key) for call, key in submission.calls.items() if call not in known)
            calls += [Call({"call": call, "key": key, "submission": submission.id}, None) for call, key in lost]
        self._open: dict[str, Call] = {call.sent["call"]: call for call in calls if call.closed is None}
        self._journal = Journal(path.parent, job, durable=True, path=path)
        self._counts: Counter[str] = Counter()
        self._ended: dict[str, Call] = {call.sent["call"]: call for call in calls if call.closed is not None}
        self._to_fetch: dict[str, ProviderError] = {}
        self._unread = 0
        self.stopped_by: ProviderError | None = None

    @property
    def has_all(self) -> bool:
        """Whether every call has a known outcome and every line could be read."""
        lost = self._counts[Outcome.UNKNOWN.value] + self._counts[Outcome.UNREADABLE.value]
        return not self._open and not self._unread and not lost

    @property
    def has_read_all(self) -> bool:
        """Whether every received line could be read."""
        return not self._unread

    def told(self) -> str:
        """Return the number of calls per outcome, for people."""
        return ", ".join(f"{n:,} {word}" for word, n in sorted(self._counts.items())) or "no results"

    async def take(self, file: str) -> None:
        """Close every open call that has a line in a file; each line stands by itself.

        Raises:
            NotReadyError: If the store's disk has no room; the file stays at the provider for the next run.
        """
        self._check_room(0)
        seen: set[str] = set()
        async for result in self._provider.batch_results(file):
            if not isinstance(result, Result):
                self._unread += 1
                self._warn(redacted(result))
            elif result.custom_id not in self._submission.calls:
                self._warn(f"a line for an unknown call, {redacted(result.custom_id)[:40]!r}")
            elif result.custom_id in self._open:
                self._take(result.custom_id, self._read(self._open[result.custom_id], result))
            elif result.custom_id in seen and isinstance(result.outcome, ImageResponse):
                self._take_second(result.custom_id, self._read(self._ended[result.custom_id], result))
            if isinstance(result, Result):
                seen.add(result.custom_id)
        await self._fetch_all()

    def _take(self, call: str, outcome: ImageResponse | ProviderError) -> None:
        if isinstance(outcome, ProviderError) and outcome.failure is FailureKind.TO_FETCH:
            self._store.keep_unreadable(call, outcome.body or b"")
            self._to_fetch[call] = outcome
        elif isinstance(outcome, ImageResponse) or call not in self._to_fetch:
            self._close(call, outcome)
            if self._to_fetch.pop(call, None):
                self._store.forget_unreadable(call)

    def _read(self, call: Call, result: Result) -> ImageResponse | ProviderError:
        return self._provider.read_result(call.sent.get("recipe"), result.outcome)

    def _take_second(self, call: str, outcome: ImageResponse | ProviderError) -> None:
        """Take the image of a second line for one call: it was paid for too."""
        if isinstance(outcome, ProviderError):
            return
        key = self._submission.calls[call]
        stored = self._store.raw.find(key)
        if stored is None:
            self._open[call] = self._ended.pop(call)  # the record that is written last counts
            self._close(call, outcome)
        elif stored.digest != sha256(outcome.image).hexdigest():
            (name,) = self._store.keep_more(f"{call}-again", [outcome.image])
            self._warn(f"a second image for one call; it is in more/{name}")

    async def _fetch_all(self) -> None:
        """Fetch the images that are at URLs."""
        room = asyncio.Semaphore(FETCHES_AT_ONCE)

        async def fetch(call: str, to_fetch: ProviderError) -> None:
            async with room:
                try:
                    self._close(call, await fetched(self._provider, self._store, call, to_fetch))
                    self._store.forget_unreadable(call)
                except ProviderError as error:
                    self._close(call, error)

        await asyncio.gather(*(fetch(call, error) for call, error in self._to_fetch.items()))
        self._to_fetch.clear()

    def close_line(self, number: int, error: ProviderError) -> None:
        """Close the call of one line of the uploaded file, by its number from 1."""
        call = next(islice(self._submission.calls, number - 1, None), None) if number > 0 else None
        if call in self._open:
            self._close(call, error)

    def close_all(self, error: ProviderError) -> None:
        """Close all open calls with one error, and remove the submission."""
        for call in list(self._open):
            self._close(call, error)
        self._journal.close()
        Submissions(self._store.root).remove(self._submission)

    def _warn(self, what: str) -> None:
        print(f"{self._journal.job}: {self._submission.batch}: {what}; ignored", file=sys.stderr)

    def _check_room(self, n_bytes: int) -> None:
        batch = self._submission.batch or "a batch"
        try:
            check_folder(self._store.root, f"the results of {batch} need", MARGIN_BYTES + n_bytes)
        except NotReadyError as error:
            what = f"{error.what} The results of {batch} stay at the provider, and the next run collects them."
            raise NotReadyError(what, error.remedy) from None

    def _close(self, call: str, outcome: ImageResponse | ProviderError) -> None:
        key = self._open[call].sent["key"]
        name = self._submission.model
        answered = isinstance(outcome, ImageResponse) or is_billed(outcome)
        cost = cost_of(self._model_of(name), outcome, batch=True) if answered else None
        facts = {"key": key, "batch": self._submission.batch, **facts_of(outcome, self._provider, name)}
        if isinstance(outcome, ImageResponse):
            self._check_room(len(outcome.image) + sum(map(len, outcome.more)))
            stored = self._store.raw.put(key, outcome.image, durable=True)
            ended, error = Outcome.MADE, None
            facts |= {"status": 200, "digest": stored.digest}
            if outcome.more:
                facts["more"] = self._store.keep_more(call, outcome.more)
        else:
            ended, error = OUTCOMES[outcome.failure], outcome
            facts |= {"status": outcome.status, "code": outcome.code, "message": str(outcome)[:2000]}
            facts["quota"] = outcome.failure is FailureKind.QUOTA or None
            if outcome.body is not None:
                self._store.keep_unreadable(call, outcome.body)
            if outcome.failure in STOPS:
                self.stopped_by = outcome
        self._journal.closed(call, ended, cost_usd=cost, **facts)
        self._ended[call] = self._open.pop(call)
        self._counts[ended.value] += 1
        billed = answered or ended is Outcome.UNKNOWN
        self._told_closed(key, error, cost if billed else 0.0)
