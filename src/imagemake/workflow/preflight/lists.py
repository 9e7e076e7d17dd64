"""Checks before a run whether what providers list about their models is there, recent, and about these models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from imagemake.config.listings import endpoints_of, server_of
from imagemake.config.models import ModelTable
from imagemake.config.models.listed import Listing, ServerName, read_listing
from imagemake.config.several_models import settings_of
from imagemake.core.text import did_you_mean
from imagemake.plugins.providers import provider_class

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.state import State

OLD_AFTER = timedelta(days=60)


def check_lists(to_generate: Sequence[State], campaign: Campaign, table: ModelTable, today: date) -> list[str]:
    """Return warnings about the lists of the servers that a run calls.

    Args:
        to_generate: Requests to send.
        campaign: The campaign.
        table: What is known about models, from lists too.
        today: The day of the run.
    """
    settings = [settings_of(label, campaign) for label in sorted({state.request.model for state in to_generate})]
    models: dict[ServerName, list[str]] = {}
    for one in settings:
        models.setdefault(server_of(one), []).append(one.name)
    found = [
        warning for server, names in models.items() for warning in _warnings(server, sorted({*names}), table, today)
    ]
    return [*found, *_wrong_pins(models, campaign)]


def _wrong_pins(models: Mapping[ServerName, Sequence[str]], campaign: Campaign) -> Iterator[str]:
    """Warn of models that are pinned to endpoints that their list does not have, and that nobody checks therefore."""
    for server, names in models.items():
        listing, pins = read_listing(server), endpoints_of(campaign, server.provider)
        for name in sorted({*names} & pins.keys()):
            known = listing.models.get(name) if listing else None
            if listing and known and listing.facts(name, pins[name]) is None:
                what = f"does not list the endpoints {', '.join(sorted(pins[name]))} of {name}"
                yield f"{server.path} {what}, only {', '.join(known)}. Correct parameters.provider.only."


def _warnings(server: ServerName, names: Sequence[str], table: ModelTable, today: date) -> Iterator[str]:
    listing, update = read_listing(server), f"Run: imagemake models --update {server.provider}"
    if listing is not None:
        yield from _of_listing(listing, server, names, today, update)
    elif provider_class(server.provider).lists_facts:
        for name in names:
            if table.get(server.provider, name) is None:
                what = "so that sizes and parameters are not checked before they are paid for."
                yield f"Nothing is known about {name} of {server.provider}, {what} {update}"


def _of_listing(listing: Listing, server: ServerName, names: Sequence[str], today: date, update: str) -> Iterator[str]:
    age = today - listing.listed_on
    if age > OLD_AFTER:
        yield f"{server.path} is {age.days} days old: models and prices may have changed. {update}"
    for name in names:
        if name not in listing.models:
            near = did_you_mean(name, listing.models)
            yield f"{server.path} does not list {name!r}. {near or 'It may be gone, or newer than the list.'} {update}"
