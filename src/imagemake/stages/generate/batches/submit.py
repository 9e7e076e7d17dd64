"""Generate many images at half the price through a provider's Batch API.

A submission is on disk before anything is uploaded, its calls are in the journal before the batch is created, and its
file is deleted after the last call is closed. So the next run picks up the submission of a killed run, and nothing is
paid for twice.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from imagemake.config.models import Model, worst_usd
from imagemake.core.backoff import backoff_s
from imagemake.core.known_secrets import redacted
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import BatchProvider, FailureKind, ProviderError
from imagemake.stages.generate.batches.file_errors import ENDS_ALL, alike, nothing_sent
from imagemake.stages.generate.batches.follow import BatchPoller, acquire, metadata_of
from imagemake.stages.generate.batches.request_file import groups_of, write_lines
from imagemake.stages.generate.batches.upload import upload_for_batch
from imagemake.stages.generate.calls import IN_A_BATCH
from imagemake.stages.generate.one_call import OUTCOMES
from imagemake.stages.generate.used_up import UsedUp
from imagemake.store.items import FailureReason, Item, ItemFailure
from imagemake.store.journal import Journal
from imagemake.store.spending import OverBudgetError, SpendTracker
from imagemake.store.submissions import Submission, SubmissionStep
from imagemake.store.team.team_cache import TeamCache

NO_IMAGE = ItemFailure(FailureReason.FAILED, "the batch returned no image")
ASKED_FOR = ItemFailure(FailureReason.WAITING, "another run is requesting it now")


def _worst_usd_of_image(model: Model | None, recipe: Recipe) -> float | None:
    return worst_usd(model, recipe, batch=True) if model else None


@dataclass(slots=True)
class BatchRunner:
    """Generates the images of one job through batches.

    Attributes:
        poller: Waits for the submissions of this job and of others, and collects them.
        spend_tracker: Keeps the budget.
        campaign: Name for the journal.
        team_cache: Takes images from the team store before a submission; None without a team store.
        used_up: Knows whether the quota of the model is used up; None if no other model can take over.
        worst_usd_of: Returns the most that a call can cost, by the model table's entry and the recipe.
        failures: Why a key has no image, as far as this job knows.
    """

    poller: BatchPoller
    spend_tracker: SpendTracker
    campaign: str
    team_cache: TeamCache | None = None
    used_up: UsedUp | None = None
    worst_usd_of: Callable[[Model | None, Recipe], float | None] = _worst_usd_of_image
    failures: dict[str, ItemFailure] = field(default_factory=dict)
    _reserved: dict[str, Decimal] = field(default_factory=dict)
    _tried: Counter[str] = field(default_factory=Counter)
    _costs: list[tuple[Decimal, float | None]] = field(default_factory=list)
    _no_room: set[str] = field(default_factory=set)
    _ended: list[ProviderError | None] = field(default_factory=list)  # of one submission; None for an image

    def __post_init__(self) -> None:
        self.poller.closed = self._closed

    @property
    def provider(self) -> BatchProvider:
        """The provider that makes the images."""
        return self.poller.provider

    async def generate_all(self, items: Sequence[Item]) -> list[Item]:
        """Submit and collect every image that the store lacks; failed ones are submitted again within the limits.

        Returns:
            The items in their order, each with its raw image or its failure.

        Raises:
            ProviderError: If no call can succeed until the user acts.
            NotReadyError: If the store's disk has no room for results; they stay at the provider.
        """
        wanted = {item.key: item for item in items}
        while chosen := [item for item in wanted.values() if self._may_ask(item)]:
            endpoint = chosen[0].recipe.endpoint
            await self._pause_before([item for item in chosen if self.failures.pop(item.key, None)], endpoint)
            if self.team_cache is not None:
                await asyncio.to_thread(self.team_cache.take_all, chosen)
                chosen = [item for item in chosen if self.poller.store.raw.find(item.key) is None]
            for group in groups_of(chosen, self.provider):
                await self._submit(group)
            self._excuse(endpoint)
            await self._follow_others(chosen)
        return [self.with_raw(item) for item in items]

    def with_raw(self, item: Item) -> Item:
        """Return the item with its image or its failure."""
        stored = self.poller.store.raw.find(item.key)
        return replace(item, raw=stored) if stored else replace(item, failure=self.failures.get(item.key, NO_IMAGE))

    def _may_ask(self, item: Item) -> bool:
        if self.poller.store.raw.find(item.key) is not None or self._tried[item.key] >= self.poller.limits.tries:
            return False
        failure = self.failures.get(item.key)
        if failure is not None and failure.reason is FailureReason.UNKNOWN:
            return self.poller.limits.unknown == "retry"
        return failure is None or failure.reason is FailureReason.FAILED

    async def _pause_before(self, again: Sequence[Item], endpoint: str | None) -> None:
        """Wait before items are submitted again: for room in the provider's queue, or else the backoff."""
        others = self._others(endpoint)
        if self._no_room and others:
            self.poller.tell("the provider's queue is full; waiting for another batch of this store to end")
            waits_s = self.poller.waits_s()
            while others <= self._others(endpoint):
                await asyncio.sleep(next(waits_s))
                await self.poller.collect_open(again)  # no process may be working on a batch that is over
        elif again:
            tries = max(1, *(self._tried[item.key] for item in again))
            await asyncio.sleep(backoff_s(self.poller.limits.first_wait_s, self.poller.limits.longest_wait_s, tries))
        self._no_room.clear()

    def _others(self, endpoint: str | None) -> set[str]:
        return {one.id for one in self.poller.submissions.all() if self.poller.can_read(one, endpoint)}

    async def _follow_others(self, items: Sequence[Item]) -> None:
        """Wait for images that another run submitted; those that it does not get can then be requested again."""
        waiting = [item for item in items if self.failures.get(item.key) is IN_A_BATCH]
        if waiting:
            await self.poller.collect_open(waiting)
        for item in waiting:
            if not self.poller.submissions.holds(item.key):
                del self.failures[item.key]
                self._tried[item.key] += 1

    async def _submit(self, group: Sequence[Item]) -> None:
        identity = uuid.uuid4().hex
        lock = self.poller.submissions.lock(identity)
        await acquire(lock)
        try:
            prepared = await self._prepare(identity, group)
            if prepared is not None:
                submission, calls = prepared
                await self._send_and_collect(submission, calls)
        finally:
            self.spend_tracker.record_costs(self._costs)
            self._costs.clear()
            lock.release(remove=True)

    def _excuse(self, endpoint: str | None) -> None:
        """Do not count tries that found the provider's queue full, if our own batches fill it."""
        if self._others(endpoint):
            self._tried.subtract(self._no_room)

    async def _prepare(self, identity: str, group: Sequence[Item]) -> tuple[Submission, dict[str, Item]] | None:
        journal = Journal(self.poller.store.journal_folder, self.poller.job, durable=True)
        recipe = group[0].recipe
        calls = {uuid.uuid4().hex: item for item in group}
        submission = Submission(
            id=identity,
            step=SubmissionStep.PREPARED,
            provider=self.poller.provider_name,
            endpoint=recipe.endpoint,
            model=recipe.model,
            journal=str(journal.path.relative_to(self.poller.store.root)),
            calls={},
            made_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            kind=self.poller.kind,
        )
        submitting = self.poller.submissions.submitting()
        await acquire(submitting)
        try:
            elsewhere = {key for other in self.poller.submissions.all() for key in other.calls.values()}
            # Save our keys before we check claims: then either a call runner sees our keys, or we see its claim.
            submission = replace(submission, calls={call: item.key for call, item in calls.items()})
            self.poller.submissions.save(submission)
            free = {call: item for call, item in calls.items() if self._is_free(item, elsewhere)}
            calls = self._that_fit(free)
            submission = replace(submission, calls={call: item.key for call, item in calls.items()})
            if not calls:
                self.poller.submissions.remove(submission)
                return None
            journal.sent_all(self._record(call, item, identity) for call, item in calls.items())
            journal.close()
            self.poller.submissions.save(submission)
        finally:
            submitting.release()
        return submission, calls

    def _is_free(self, item: Item, elsewhere: set[str]) -> bool:
        if item.key in elsewhere:
            self.failures[item.key] = IN_A_BATCH
            return False
        claim = self.poller.store.claim(item.key)
        if not claim.acquire(wait=False):
            self.failures[item.key] = ASKED_FOR
            return False
        claim.release(remove=True)
        return self.poller.store.raw.find(item.key) is None

    def _that_fit(self, calls: Mapping[str, Item]) -> dict[str, Item]:
        reserved = self.spend_tracker.reserve_all({item.key: self._worst_usd(item) for item in calls.values()})
        fit = {}
        for call, item in calls.items():
            outcome = reserved[item.key]
            if isinstance(outcome, OverBudgetError):
                self.failures[item.key] = ItemFailure(FailureReason.BUDGET, str(outcome))
                continue
            self._reserved[item.key] = outcome
            self._tried[item.key] += 1
            fit[call] = item
        return fit

    def _worst_usd(self, item: Item) -> float | None:
        return self.worst_usd_of(self.poller.model_of(item.recipe.model), item.recipe)

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
            **({"kind": self.poller.kind} if self.poller.kind else {}),
        }

    async def _send_and_collect(self, submission: Submission, calls: dict[str, Item]) -> None:
        collector = self.poller.collector(submission)
        try:
            if not self.provider.images_in_lines:
                await upload_for_batch(self.provider, (item.recipe for item in calls.values()), self.poller.store)
            file = await self._upload(submission, calls)
        except ProviderError as error:
            collector.close_all(nothing_sent(error))
            return self._stop_unless_passing(error, calls.values())
        submission = replace(submission, step=SubmissionStep.CREATING)
        self.poller.submissions.save(submission)
        endpoint, _ = self.provider.batch_request(next(iter(calls.values())).recipe)
        try:
            state = await self.provider.create_batch(file, endpoint, metadata_of(submission))
        except ProviderError as error:
            if error.failure is not FailureKind.UNKNOWN:
                collector.close_all(nothing_sent(error))
                return self._stop_unless_passing(error, calls.values())
            return await self.poller.work_on(submission)
        submission = replace(submission, step=SubmissionStep.CREATED, batch=state.id)
        self.poller.submissions.save(submission)
        self._ended.clear()
        await self.poller.collect(submission)
        return self._stop_if_all_failed_alike()

    def _stop_unless_passing(self, error: ProviderError, items: Iterable[Item]) -> None:
        is_last = all(self._tried[item.key] >= self.poller.limits.tries for item in items)
        if error.failure in ENDS_ALL or (error.failure is FailureKind.UNREACHABLE and is_last):
            raise error

    def _stop_if_all_failed_alike(self) -> None:
        errors = alike(self._ended)
        if len(errors) > 1:
            raise errors[0]
        if errors:  # no second request could tell whether it concerns all
            self.poller.tell(errors[0].in_words())

    async def _upload(self, submission: Submission, calls: dict[str, Item]) -> str:
        path = self.poller.submissions.requests_file(submission)
        try:
            write_lines(path, calls, self.provider)
            return redacted(await self.provider.upload_batch(path))
        finally:
            path.unlink(missing_ok=True)

    def _closed(self, key: str, error: ProviderError | None, cost_usd: float | None) -> None:
        self._ended.append(error)
        if error is not None:
            self.failures[key] = ItemFailure(FailureReason(OUTCOMES[error.failure]), str(error))
            if error.failure is FailureKind.RATE_LIMITED:
                self._no_room.add(key)
            if error.failure in (FailureKind.NOT_RETRYABLE, FailureKind.CONFIGURATION):
                self._tried[key] = self.poller.limits.tries
        done, cost = (
            self.poller.progress.now.done + (error is None),
            self.poller.progress.now.cost_usd + (cost_usd or 0.0),
        )
        self.poller.progress.update(done=done, cost_usd=cost, waits_for="")
        reserved = self._reserved.pop(key, None)
        if reserved is not None:
            self._costs.append((reserved, cost_usd))
