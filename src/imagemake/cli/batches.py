"""`imagemake batches`: what is at a provider as a batch, collected or cancelled without a run."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from imagemake.core.text import printable

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.model import ModelSettings
    from imagemake.plugins.providers import BatchProvider, BatchState, ProviderError
    from imagemake.stages.generate.batches.follow import BatchPoller
    from imagemake.store.submissions import Submission

DESCRIPTION = """\
Lists what was handed to a provider as a batch (mode: batch): what is open, from store/submissions, and with --all
what is past, from the journal. The provider is asked how far each open one is; a run that is at work is not disturbed.

  state      in_progress 3/500: the provider's word, with the requests that are over; prepared, creating or created:
             as far as we came, where the provider was not asked or does not answer; over: every call is closed
  cost USD   what was collected so far; "at most" is what the rest can still cost
"""
EXAMPLES = """\
examples:
  what is open, and how far it is
    imagemake batches
  put the images of what is done into the store, without a run
    imagemake batches --collect
  stop one; what it made by then is collected, and the rest may be asked for again
    imagemake batches --cancel 3fa9c1d2
"""
COLUMNS = {
    "id": "id",
    "batch": "batch",
    "model": "model",
    "requests": "requests",
    "made": "made",
    "state": "state",
    "age_h": "age h",
    "expires_at": "expires (UTC)",
    "cost_usd": "cost USD",
    "worst_usd": "at most USD",
}
ASK_TIMEOUT_S = 30.0
HTTP_NOT_FOUND = 404


def add_batches_options(parser: argparse.ArgumentParser) -> None:
    """Say what `imagemake batches` takes."""
    parser.add_argument("--store", type=Path, default=Path("store"), help="default: store")
    parser.add_argument("--config", type=Path, default=Path("config/config.yaml"), help="default: config/config.yaml")
    parser.add_argument("--all", action="store_true", help="list past ones too")
    parser.add_argument("--json", action="store_true", help="write JSON")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--offline", action="store_true", help="ask no provider")
    action.add_argument("--collect", action="store_true", help="collect what is done, then list")
    action.add_argument(
        "--cancel",
        metavar="ID|all",
        help="stop a batch, by its id or the start of it, and collect what it made; then list",
    )
    parser.set_defaults(run=run_batches)


def run_batches(options: argparse.Namespace) -> int:
    """Do what was asked, and list."""
    from imagemake.config.load import read_campaign
    from imagemake.core.problems import Problem, UserError
    from imagemake.stages.generate.batches.listing import listed_batches, rows_of
    from imagemake.store.journal import read_calls
    from imagemake.store.store import Store
    from imagemake.store.submissions import Submissions

    store = Store(options.store)
    if not store.root.is_dir():
        remedy = "Run this where the Snakefile is, or name the store with --store."
        raise UserError(Problem(str(store.root), "there is no store.", remedy))
    submissions = Submissions(store.root)
    chosen = _chosen(list(submissions.all()), options.cancel)
    errors: list[str] = []
    states: dict[str, BatchState] = {}
    if chosen and not options.offline:
        campaign = read_campaign(options.config)
        act = _canceled if options.cancel else _collected if options.collect else _asked
        try:
            states, errors = asyncio.run(_at_providers(chosen, campaign, store, act))
        except KeyboardInterrupt:
            errors.append("Stopped; nothing is lost, and what was cancelled is collected by the next run.")
    left = list(submissions.all())
    calls = read_calls(store.journal_folder) if store.journal_folder.is_dir() else iter(())
    batches = [one for one in listed_batches(calls, left, states) if options.all or one.is_open]
    _show(rows_of(batches, datetime.now(UTC)), as_json=options.json)
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


def _chosen(submissions: list[Submission], cancel: str | None) -> list[Submission]:
    from imagemake.core.problems import Problem, UserError

    if cancel is None or cancel == "all":
        return submissions
    found = [one for one in submissions if one.id.startswith(cancel) or one.batch == cancel]
    if len(found) != 1:
        what = "no open batch has" if not found else f"{len(found)} open batches have"
        known = ", ".join(one.id for one in submissions) or "none"
        raise UserError(Problem(f"--cancel {cancel}", f"{what} this id", f"Open are: {known}."))
    return found


Act = Callable[["BatchPoller", "Submission"], "Any"]


async def _at_providers(
    submissions: Iterable[Submission], campaign: Campaign, store: Any, act: Act
) -> tuple[dict[str, BatchState], list[str]]:
    """Do something about each submission at its provider; say what the provider told, and what went wrong."""
    from imagemake.plugins.providers import ProviderError

    states: dict[str, BatchState] = {}
    errors: list[str] = []
    for submission in submissions:
        settings = _server_of(submission, campaign)
        if settings is None:
            server = submission.endpoint or submission.provider
            errors.append(f"{submission.id}: no model of the configuration has the server {server}; not asked")
            continue
        try:
            poller = _follower(settings, campaign, store)
            try:
                state = await act(poller, submission)
            finally:
                await cast("Any", poller.provider).close()
            if state is not None:
                states[submission.id] = state
        except ProviderError as error:
            errors.append(f"{submission.id}: {error}" + (f"\n  {error.remedy}" if error.remedy else ""))
    return states, errors


def _server_of(submission: Submission, campaign: Campaign) -> ModelSettings | None:
    found = (campaign.model, *campaign.more_models.values())
    wanted = (submission.provider, submission.endpoint)
    return next((one for one in found if (one.provider, one.endpoint) == wanted), None)


def _follower(settings: ModelSettings, campaign: Campaign, store: Any) -> BatchPoller:
    from imagemake.config.models import load_models
    from imagemake.plugins.providers import provider_class
    from imagemake.stages.generate.batches.follow import BatchPoller

    timeout_s = min(ASK_TIMEOUT_S, campaign.limits.timeout_s)
    provider = provider_class(settings.provider)(base_url=settings.base_url, timeout_s=timeout_s)
    table = load_models(campaign.models)
    return BatchPoller(
        cast("BatchProvider", provider),
        settings.provider,
        store,
        campaign.limits,
        "batches",
        lambda name: table.get(settings.provider, name),
        _ignored,
    )


def _ignored(key: str, error: ProviderError | None, cost_usd: float | None) -> None:
    """Nobody waits for this key here; the journal has what it came to."""


async def _asked(poller: BatchPoller, submission: Submission) -> BatchState | None:
    return await poller.provider.poll_batch(submission.batch) if submission.batch else None


async def _collected(poller: BatchPoller, submission: Submission) -> BatchState | None:
    # Asked first: a follower would wait for a server that does not answer. One that forgot the batch has answered.
    from imagemake.plugins.providers import ProviderError

    try:
        await _asked(poller, submission)
    except ProviderError as error:
        if error.status != HTTP_NOT_FOUND:
            raise
    await poller.collect_if_over(submission)
    return await _asked(poller, submission) if poller.submissions.read(submission) else None


async def _canceled(poller: BatchPoller, submission: Submission) -> BatchState | None:
    if submission.batch is None:  # a batch that nobody noted is found first, or is known not to be there
        await poller.collect_if_over(submission)
        return None
    state = await poller.provider.poll_batch(submission.batch)
    if not state.is_over:
        state = await poller.provider.cancel_batch(submission.batch)
    if not await poller.collect_at_end(submission):
        print(f"{submission.id}: a run is at work on it, and collects what it made", file=sys.stderr)
        return state
    return None


def _show(rows: list[Mapping[str, Any]] | list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    if not rows:
        print("No batch is open.")
        return
    shown = [list(COLUMNS.values()), *([_cell(name, row[name]) for name in COLUMNS] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for line in shown:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "" if name in ("batch", "expires_at", "worst_usd") else "unknown"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return printable(str(value))
