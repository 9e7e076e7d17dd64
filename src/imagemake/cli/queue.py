"""`imagemake queue`: list, collect, or cancel requests in a provider's queue, without a run."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from imagemake.cli.options import add_config_option, add_store_option
from imagemake.core.text import printable

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.model import ModelSettings
    from imagemake.plugins.providers.queue import QueueProvider
    from imagemake.store.open_calls import OpenCall

DESCRIPTION = """\
Lists the requests that wait in a provider's queue, such as fal's, and asks the provider for the state of each. You can
run this command during a build.

  state          the provider's word; done: the next run, or --collect, puts the image into the store
  at most USD    the most that the request can cost
"""
EXAMPLES = """\
examples:
  list the requests in the queue
    imagemake queue
  put images that are done into the store, without a run
    imagemake queue --collect
  cancel a request; one that has started may go on and be billed
    imagemake queue --cancel 3fa9c1d2
"""
COLUMNS = {"id": "id", "name": "name", "model": "model", "state": "state", "age_s": "age s", "worst_usd": "at most USD"}


def add_queue_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake queue`."""
    add_store_option(parser)
    add_config_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--offline", action="store_true", help="list only; contact no provider")
    action.add_argument("--collect", action="store_true", help="collect images that are done, then list the rest")
    action.add_argument(
        "--cancel", metavar="ID|all", help="cancel a request by its ID or the start of it, then list the rest"
    )
    parser.set_defaults(run=run_queue)


def run_queue(options: argparse.Namespace) -> int:
    """Collect or cancel requests as asked, then list them; return 1 if something failed."""
    from imagemake.config.load import read_campaign
    from imagemake.core.problems import Problem, UserError
    from imagemake.store.open_calls import OpenCalls
    from imagemake.store.store import Store
    from imagemake.workflow.open_calls import take_up_open_calls

    store, errors = Store(options.store), list[str]()
    if not store.root.is_dir():
        remedy = "Run this command in the project folder, or pass --store."
        raise UserError(Problem(str(store.root), "the store does not exist.", remedy))
    states: dict[str, str] = {}
    if not options.offline:
        campaign = read_campaign(options.config)
        if options.cancel:
            chosen = _chosen(OpenCalls(store.root).all(), options.cancel)
            errors += asyncio.run(_cancel(chosen, campaign))
        if options.cancel or options.collect:
            for line in take_up_open_calls(campaign, store):
                print(line.strip(), file=sys.stderr)
        states, more = asyncio.run(_states(OpenCalls(store.root).all(), campaign))
        errors += more
    _show([_row(found, states) for found in OpenCalls(store.root).all()], as_json=options.json)
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


def _chosen(found: list[OpenCall], cancel: str) -> list[OpenCall]:
    from imagemake.core.problems import Problem, UserError

    chosen = [one for one in found if cancel == "all" or _id(one).startswith(cancel)]
    if cancel != "all" and len(chosen) != 1:
        what = f"matches {len(chosen)} requests." if chosen else "matches no request in a queue."
        known = ", ".join(map(_id, found)) or "none"
        raise UserError(Problem(f"--cancel {cancel}", what, f"Requests in the queue: {known}."))
    return chosen


async def _cancel(chosen: list[OpenCall], campaign: Campaign) -> list[str]:
    """Cancel requests, and return the errors."""
    from imagemake.plugins.providers import ProviderError
    from imagemake.plugins.providers.queue import Ticket
    from imagemake.workflow.open_calls import at_providers

    async def cancel(found: OpenCall, provider: QueueProvider, settings: ModelSettings) -> None:
        await provider.cancel(Ticket.from_dict(found.ticket))

    done = await at_providers(chosen, campaign, cancel)
    return [f"not canceled: {error}" for error in done if isinstance(error, ProviderError)]


async def _states(found: list[OpenCall], campaign: Campaign) -> tuple[dict[str, str], list[str]]:
    """Return what the provider says of each request, by ID, and the errors."""
    from imagemake.plugins.providers import FailureKind, ProviderError
    from imagemake.plugins.providers.queue import Pending, Ticket
    from imagemake.workflow.open_calls import at_providers

    async def ask(one: OpenCall, provider: QueueProvider, settings: ModelSettings) -> tuple[str, str]:
        try:
            state = await provider.poll(Ticket.from_dict(one.ticket))
        except ProviderError as error:
            return _id(one), "done" if error.failure is FailureKind.TO_FETCH else f"{error.failure}: {error}"
        return _id(one), state.words if isinstance(state, Pending) else "done"

    told = await at_providers(found, campaign, ask)
    errors = [str(error) for error in told if isinstance(error, ProviderError)]
    return dict(one for one in told if not isinstance(one, ProviderError)), errors


def _id(found: OpenCall) -> str:
    return str(found.ticket.get("id"))


def _row(found: OpenCall, states: dict[str, str]) -> dict[str, Any]:
    sent = found.call.sent
    age = datetime.now(UTC) - datetime.fromisoformat(sent["at"])
    return {
        "id": _id(found),
        "name": sent["name"],
        "model": sent["recipe"]["model"],
        "state": states.get(_id(found), "unknown"),
        "age_s": round(age.total_seconds()),
        "worst_usd": sent.get("worst_usd"),
    }


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    if not rows:
        print("No request is in a queue.")
        return
    cells = [["unknown" if row[name] is None else printable(str(row[name])) for name in COLUMNS] for row in rows]
    shown = [list(COLUMNS.values()), *cells]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for line in shown:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
