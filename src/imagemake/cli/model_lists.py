"""Ask providers for their own lists of models, and write them to config/models."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.core.errors import ExitCode
from imagemake.core.problems import Problem, UserError
from imagemake.core.text import printable

if TYPE_CHECKING:
    from imagemake.config.models.listed import Listing, ServerName
    from imagemake.config.server import Server
    from imagemake.plugins.providers import ModelList

TIMEOUT_S = 60.0
MOST_SHOWN = 20


def update_lists(provider: str | None) -> int:
    """Ask for lists, write them, and print what changed.

    Args:
        provider: Name of a provider; None for all of the campaign.

    Returns:
        The exit status: not 0 if a list was asked for and did not come.
    """
    from imagemake.plugins.providers import ProviderError

    status = ExitCode.OK
    for name, server in _servers(provider).items():
        try:
            listed = asyncio.run(_ask(server))
        except ProviderError as error:
            print(f"{name.provider}: {error}" + (f"\n  {error.remedy}" if error.remedy else ""), file=sys.stderr)
            status = ExitCode.NOT_READY
            continue
        if listed is None:
            print(f"{name.base_url or name.provider}: has no list of models.")
        else:
            print("\n".join(_written(name, listed)))
    return status


def _servers(provider: str | None) -> Mapping[ServerName, Server]:
    from imagemake.config.campaign import load_campaign
    from imagemake.config.fields import CONFIG
    from imagemake.config.listings import servers_of
    from imagemake.config.load import read_config
    from imagemake.config.models.listed import ServerName
    from imagemake.config.server import Server
    from imagemake.plugins.providers import provider_class

    # Without the lists: one that is damaged is written anew.
    campaign = load_campaign(read_config(Path(CONFIG)), where=CONFIG)
    runs = {name: settings for name, settings in servers_of(campaign).items() if settings.server is None}
    found = {name: settings.connects_to for name, settings in runs.items()}
    if provider is None:
        return found
    own = {name: server for name, server in found.items() if name.provider == provider}
    if not own:
        try:
            provider_class(provider)
        except LookupError as error:
            remedy = "Write the name as in model.provider."
            raise UserError(Problem("--update", f"provider {error}.", remedy)) from None
    return own or {ServerName(provider): Server(provider)}


async def _ask(server: Server) -> ModelList | None:
    from imagemake.config.models import load_models
    from imagemake.plugins.providers import ProviderError

    provider = server.start(TIMEOUT_S, load_models())
    try:
        return await provider.list_models()
    except ProviderError as error:
        error.remedy = provider.remedy_of(error)
        raise
    finally:
        await provider.close()


def _written(name: ServerName, listed: ModelList) -> Iterator[str]:
    from imagemake.config.models.listed import read_listing, write_listing

    try:
        before = read_listing(name)
    except UserError:
        before = None
    ignored = [*listed.ignored, *write_listing(name, listed, datetime.now(UTC).date())]
    after = read_listing(name)
    assert after is not None, "it was written"
    yield f"{name.path}: {len(after.models):,} models, from {after.source}"
    if before is not None:
        yield from _changes(before, after)
    if ignored:
        yield f"  ignored, because it cannot be used ({len(ignored):,}):"
        yield from (f"    {printable(line)[:200]}" for line in ignored[:MOST_SHOWN])


def _changes(before: Listing, after: Listing) -> Iterator[str]:
    both = before.models.keys() & after.models.keys()
    names = {
        "new": after.models.keys() - before.models.keys(),
        "gone": before.models.keys() - after.models.keys(),
        "changed": {name for name in both if _undated(before, name) != _undated(after, name)},
    }
    for what, found in names.items():
        if found:
            more = f", and {len(found) - MOST_SHOWN:,} more" if len(found) > MOST_SHOWN else ""
            yield f"  {what}: {', '.join(sorted(found)[:MOST_SHOWN])}{more}"
    if not any(names.values()):
        yield f"  as on {before.listed_on}"


def _undated(listing: Listing, name: str) -> object:
    """Return the facts of a model without the day from which prices are, which each update changes."""
    endpoints = {slug: one.model_dump() for slug, one in listing.models[name].items()}
    for one in endpoints.values():
        (one["facts"]["prices"] or {}).pop("as_of", None)
    return endpoints
