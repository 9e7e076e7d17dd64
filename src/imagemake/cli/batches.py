"""`imagemake batches`: list, collect, or cancel batches at a provider, without a run."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from imagemake.cli.options import add_config_option, add_store_option
from imagemake.core.text import printable

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.model import ModelSettings
    from imagemake.plugins.providers import BatchProvider, BatchState
    from imagemake.stages.generate.batches.follow import BatchPoller
    from imagemake.store.submissions import Submission

DESCRIPTION = """\
Lists the open batches that you submitted to a provider (mode: batch), and asks the provider for the progress of each.
With --all, also lists past batches. You can run this command during a build.

  state         the provider's status and how many requests are done, such as in_progress 3/500; prepared, creating,
                or created if the provider was not asked or did not answer; over if every call has its outcome
  cost USD      cost of the images collected so far
  at most USD   the most that the whole batch can cost
"""
EXAMPLES = """\
examples:
  list open batches and their progress
    imagemake batches
  put the images of finished batches into the store, without a run
    imagemake batches --collect
  cancel a batch and collect what it has made so far; the next run requests the rest again
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
    """Add the options of `imagemake batches`."""
    add_store_option(parser)
    add_config_option(parser)
    parser.add_argument("--all", action="store_true", help="include past batches")
    parser.add_argument("--json", action="store_true", help="print JSON")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--offline", action="store_true", help="list only; contact no provider")
    action.add_argument("--collect", action="store_true", help="collect finished batches, then list the rest")
    action.add_argument(
        "--cancel",
        metavar="ID|all",
        help="cancel a batch by its ID or the start of it, collect what it made, then list the rest",
    )
    parser.set_defaults(run=run_batches)


def run_batches(options: argparse.Namespace) -> int:
    """Collect or cancel batches as asked, then list them; return 1 if something failed."""
    from imagemake.config.load import read_campaign
    from imagemake.core.problems import Problem, UserError
    from imagemake.stages.generate.batches.listing import listed_batches, rows_of
    from imagemake.store.journal import read_calls
    from imagemake.store.store import Store
    from imagemake.store.submissions import Submissions

    store = Store(options.store)
    if not store.root.is_dir():
        remedy = "Run this command in the project folder, or pass --store."
        raise UserError(Problem(str(store.root), "the store does not exist.", remedy))
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
            errors.append("Stopped. Nothing is lost; the next run collects the canceled batches.")
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
        what = "matches no open batch." if not found else f"matches {len(found)} open batches."
        known = ", ".join(one.id for one in submissions) or "none"
        raise UserError(Problem(f"--cancel {cancel}", what, f"Open batches: {known}."))
    return found


Act = Callable[["BatchPoller", "Submission"], "Any"]


async def _at_providers(
    submissions: Iterable[Submission], campaign: Campaign, store: Any, act: Act
) -> tuple[dict[str, BatchState], list[str]]:
    """Act on each submission at its provider; return the states by submission, and the errors."""
    from imagemake.plugins.providers import ProviderError

    states: dict[str, BatchState] = {}
    errors: list[str] = []
    for submission in submissions:
        settings = _server_of(submission, campaign)
        if settings is None:
            server = submission.endpoint or submission.provider
            errors.append(f"{submission.id}: skipped, because no configured model uses the server {server}.")
            continue
        try:
            poller = _follower(settings, campaign, store, submission.kind)
            try:
                state = await act(poller, submission)
            finally:
                await poller.provider.close()
            if state is not None:
                states[submission.id] = state
        except ProviderError as error:
            errors.append(f"{submission.id}: {error}" + (f"\n  {error.remedy}" if error.remedy else ""))
    return states, errors


def _server_of(submission: Submission, campaign: Campaign) -> ModelSettings | None:
    asked = [asker.model for asker in campaign.validation.asked.askers if asker.name == submission.kind]
    found = asked if submission.kind else (campaign.model, *campaign.more_models.values())
    wanted = (submission.provider, submission.endpoint)
    return next((one for one in found if (one.provider, one.endpoint) == wanted), None)


def _follower(settings: ModelSettings, campaign: Campaign, store: Any, kind: str) -> BatchPoller:
    from imagemake.config.models import load_models
    from imagemake.plugins.asking import asker_class
    from imagemake.stages.generate.batches.follow import BatchPoller
    from imagemake.store.answers import AnswerStore

    timeout_s = min(ASK_TIMEOUT_S, campaign.limits.timeout_s)
    table = load_models(campaign.models)
    server = settings.connects_to
    asker = asker_class(settings.provider)(server.connection(timeout_s, table)) if kind else None
    return BatchPoller(
        cast("BatchProvider", asker or server.start(timeout_s, table)),
        settings.provider,
        AnswerStore(store.root) if kind else store,
        campaign.limits,
        "batches",
        lambda name: settings.connects_to.model(name, table),
        kind=kind,
    )


async def _asked(poller: BatchPoller, submission: Submission) -> BatchState | None:
    return await poller.provider.poll_batch(submission.batch) if submission.batch else None


async def _collected(poller: BatchPoller, submission: Submission) -> BatchState | None:
    # Ask first: a poller waits for a server that does not answer. A 404 is an answer: the server forgot the batch.
    from imagemake.plugins.providers import ProviderError

    try:
        await _asked(poller, submission)
    except ProviderError as error:
        if error.status != HTTP_NOT_FOUND:
            raise
    await poller.collect_if_over(submission)
    return await _asked(poller, submission) if poller.submissions.read(submission) else None


async def _canceled(poller: BatchPoller, submission: Submission) -> BatchState | None:
    if submission.batch is None:  # its ID was not recorded: find it first, or learn that it does not exist
        await poller.collect_if_over(submission)
        return None
    state = await poller.provider.poll_batch(submission.batch)
    if not state.is_over:
        state = await poller.provider.cancel_batch(submission.batch)
    if not await poller.collect_at_end(submission):
        print(f"{submission.id}: a run is working on this batch and collects what it made.", file=sys.stderr)
        return state
    return None


def _show(rows: list[Mapping[str, Any]] | list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    if not rows:
        print("No open batches.")
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
