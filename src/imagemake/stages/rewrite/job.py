"""Ask for better prompts: the calls of a batch whose answers the store does not have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imagemake.config.asked import REWRITE
from imagemake.config.job_settings import JobSettings
from imagemake.config.models import load_models
from imagemake.stages.judge.asking import Means, ask_all
from imagemake.stages.judge.calls import Call
from imagemake.store.items import Item
from imagemake.store.progress import JobProgress


def rewrite_for_job(
    items: Sequence[Item],
    job_settings: JobSettings,
    *,
    job: str,
    calls: int,
    store: Path,
    work: Path,
    progress: JobProgress | None = None,
) -> list[Item]:
    """Ask for the prompts of a batch.

    Args:
        items: The calls; see `imagemake.stages.rewrite.rejection`.
        job_settings: The campaign's sections ``campaign``, ``attempts``, ``models``, ``budget_usd``, and ``limits``.
        job: Name for the journal file.
        calls: Concurrent calls.
        store: Folder of the store, which receives the answers.
        work: Folder of the rates that jobs share.
        progress: Takes the progress of the job; None if nobody reads it.

    Returns:
        The items in order; one that got no answer has a failure.

    Raises:
        StoppedError: If no call can succeed until the user acts.
    """
    rewrite = job_settings.attempts.rewrite
    assert rewrite is not None, "only campaigns with this section plan such batches"
    asker = rewrite.asker()
    table = load_models(job_settings.models)
    budget, limits = job_settings.budget_usd, job_settings.limits
    means = Means(job_settings.campaign, limits, budget, table, store, work, job, calls)
    failed = ask_all([Call(asker, item) for item in items], {}, means, REWRITE, progress)
    if progress is not None:
        progress.end(done=len(items) - len(failed), failed=len(failed))
    return [replace(item, failure=failed.get(item.key)) for item in items]
