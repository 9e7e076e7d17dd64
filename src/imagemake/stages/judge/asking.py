"""Make calls that ask, with the journal, budget, rates, and retries of those for images."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from imagemake.config.asked import JUDGE, Asker
from imagemake.config.model import ModelSettings
from imagemake.config.models import ModelTable, asked_worst_usd
from imagemake.config.run import Budget, Limits
from imagemake.core.fingerprint import fingerprint
from imagemake.plugins.asking import asker_class
from imagemake.plugins.asking.openai import OpenAIAsker
from imagemake.plugins.providers import FailureKind, Provider, ProviderError
from imagemake.stages.generate.batches.follow import BatchPoller
from imagemake.stages.generate.batches.submit import BatchRunner
from imagemake.stages.generate.calls import CallRunner, StoppedError
from imagemake.stages.generate.gate import Gate, Stopping
from imagemake.stages.generate.keeping import wait_for_disk_in_threads
from imagemake.stages.generate.one_call import Caller
from imagemake.stages.generate.rate_limit import SharedPace, pace_of_job
from imagemake.stages.generate.side_by_side import generate_side_by_side
from imagemake.stages.generate.stoppable import generate_batch, run_batches
from imagemake.stages.judge.calls import Call
from imagemake.stages.judge.sent_images import ImagesToSend
from imagemake.store.answers import AnswerStore
from imagemake.store.items import Item, ItemFailure
from imagemake.store.journal import Journal
from imagemake.store.layout import pace_file
from imagemake.store.progress import JobProgress, no_progress
from imagemake.store.spending import SpendTracker
from imagemake.store.store import DamagedError, Store, StoredFile
from imagemake.store.submissions import Submissions
from imagemake.store.whole.shared_work import spend_tracker_of


@dataclass(frozen=True, slots=True)
class Means:
    """What calls are made with.

    Attributes:
        campaign: Name for the journal.
        limits: Rates, tries, and waits.
        budget: The budget of the run and the campaign.
        table: The known models.
        store: Folder of the store.
        work: Folder of the rates and of the spending that jobs share.
        job: Name for the journal file.
        in_flight: Concurrent calls.
        in_thread: Whether they are not made in the main thread, so that no signal ends them early.
    """

    campaign: str
    limits: Limits
    budget: Budget
    table: ModelTable
    store: Path
    work: Path
    job: str
    in_flight: int
    in_thread: bool = False


def ask_all(
    calls: Iterable[Call],
    images: Mapping[str, StoredFile],
    means: Means,
    kind: str,
    progress: JobProgress | None = None,
) -> dict[str, ItemFailure]:
    """Make calls whose answers the store does not have.

    Args:
        calls: The calls; equal ones are made once.
        images: The images that they are about, by digest.
        means: What they are made with.
        kind: What they are, for the journal: ``judge``, ``moderation``, ``questions``, ``prompts``, or ``rewrite``.
        progress: Takes the progress; None if nobody reads it.

    Returns:
        Why calls brought no answer, by key.

    Raises:
        StoppedError: If no call can succeed until the user acts.
    """
    by_asker: dict[str, tuple[Asker, dict[str, Item]]] = {}
    for asker, item in calls:
        by_asker.setdefault(asker.identity, (asker, {}))[1].setdefault(item.key, item)
    if not by_asker:
        return {}
    groups = [(asker, list(items.values())) for asker, items in by_asker.values()]
    made = asyncio.run(_ask_groups(groups, images, means, kind, progress))
    return {item.key: item.failure for item in made if item.failure is not None}


async def _ask_groups(
    groups: Sequence[tuple[Asker, Sequence[Item]]],
    images: Mapping[str, StoredFile],
    means: Means,
    kind: str,
    progress: JobProgress | None,
) -> list[Item]:
    wait_for_disk_in_threads()
    journal = Journal(Store(means.store).journal_folder, means.job, durable=True)
    spend_tracker = spend_tracker_of(means.store, means.work, means.budget, means.in_flight)
    stopping = Stopping()
    providers: list[Provider] = []
    work, made = [], []
    try:
        for asker, items in groups:
            providers.append(_start(asker.model, means))
            store = AnswerStore(means.store, ImagesToSend(Store(means.store).raw, images, asker.edge_px))
            if kind == JUDGE and isinstance(providers[-1], OpenAIAsker) and not means.in_thread:
                buys = asker.in_batches
                if buys or any(one.kind == kind for one in Submissions(means.store).all()):
                    batches = _batch_runner(
                        providers[-1], asker, store, means, spend_tracker=spend_tracker, progress=progress
                    )
                    made += await run_batches(batches, items, buys=buys)
                if buys:
                    continue
            caller = Caller(
                providers[-1],
                store,
                journal,
                means.limits,
                Gate(means.in_flight, _pace(asker.model, means), stopping),
                spend_tracker,
                means.campaign,
                partial(asker.model.connects_to.model, table=means.table),
                kind=kind,
                worst_usd_of=asked_worst_usd,
            )
            work.append((CallRunner(caller), items))
        if means.in_thread:
            return await generate_side_by_side(work, means.in_flight)
        if work:
            made += await generate_batch(work, means.in_flight, means.limits.grace_s, progress)
        return made
    finally:
        journal.close()
        spend_tracker.close()
        for provider in providers:
            await provider.close()


def _batch_runner(  # noqa: PLR0917  each of another type
    provider: OpenAIAsker,
    asker: Asker,
    store: AnswerStore,
    means: Means,
    spend_tracker: SpendTracker,
    progress: JobProgress | None,
) -> BatchRunner:
    """Return what asks about images through batches, and collects those of earlier runs."""

    def read_image(digest: str) -> bytes:
        stored = store.references.find(digest)
        try:
            if stored is None:
                raise DamagedError(f"the image {digest} is not in the store")
            return store.references.read(stored)
        except DamagedError as error:
            message = f"{error}; the next run makes it again"
            raise ProviderError(message, FailureKind.STOP, code="no_image", remedy="Run snakemake again.") from None

    provider.read_image = read_image
    poller = BatchPoller(
        provider,
        asker.model.provider,
        store,
        means.limits,
        means.job,
        partial(asker.model.connects_to.model, table=means.table),
        progress or no_progress(),
        kind=JUDGE,
    )
    return BatchRunner(poller, spend_tracker, means.campaign, worst_usd_of=asked_worst_usd)


def _start(model: ModelSettings, means: Means) -> Provider:
    try:
        connection = model.connects_to.connection(means.limits.timeout_s, means.table)
        return asker_class(model.provider)(connection)
    except ProviderError as error:
        raise StoppedError(str(error), error.remedy) from None


def _pace(model: ModelSettings, means: Means) -> SharedPace:
    """Return the rates of a model that answers: its own, or those of the campaign, which images do not share."""
    limits = means.limits.model_copy(update={"images_per_min": None})
    if model.rates is not None:
        limits = limits.model_copy(update=model.rates.model_dump())
    lane = pace_file(means.work, fingerprint(["asked", *model.connects_to.lane, model.name]))
    most = limits.judge_calls_in_flight
    return pace_of_job(lane, limits, model.name, paid=True, calls=means.in_flight, most=most)
