"""The lists of a campaign's servers in config/models/: which ones there are, and their facts among its models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from imagemake.config.campaign import Campaign
from imagemake.config.model import ModelSettings
from imagemake.config.models import ModelFacts, facts_over
from imagemake.config.models.listed import Listing, ServerName, read_listing


def with_listed_facts(campaign: Campaign, folder: Path = Path()) -> Campaign:
    """Return a campaign whose section `models` also has what its providers list; what it says itself comes first.

    Args:
        campaign: The campaign.
        folder: The project.

    Raises:
        UserError: If a list is damaged.
    """
    models: dict[str, dict[str, ModelFacts]] = {}
    for server, listing in lists_of(campaign, folder).items():
        only = endpoints_of(campaign, server.provider)
        for name in listing.models:
            if (facts := listing.facts(name, only.get(name, ()))) is not None:
                models.setdefault(server.provider, {})[name] = facts
    if not models:
        return campaign
    for provider, own in campaign.models.items():
        known = models.setdefault(provider, {})
        known |= {name: facts_over(known.get(name), facts) for name, facts in own.items()}
    return campaign.model_copy(update={"models": models})


def lists_of(campaign: Campaign, folder: Path = Path()) -> Mapping[ServerName, Listing]:
    """Return the lists of a campaign's servers, as far as there are any.

    Raises:
        UserError: If a list is damaged.
    """
    found = {server: read_listing(server, folder) for server in servers_of(campaign)}
    return {server: listing for server, listing in found.items() if listing is not None}


def servers_of(campaign: Campaign) -> Mapping[ServerName, ModelSettings]:
    """Return the servers of a campaign, each with the settings of one of its models."""
    return {server_of(settings): settings for settings in reversed(list(_settings(campaign)))}


def server_of(settings: ModelSettings) -> ServerName:
    """Return the name of a model's server."""
    return ServerName(settings.provider, settings.base_url)


def endpoints_of(campaign: Campaign, provider: str) -> Mapping[str, frozenset[str]]:
    """Return to which endpoints parameters pin the models of a provider: ``provider: {only: [google-vertex]}``.

    A model that is not pinned everywhere is left out.
    """
    pinned: dict[str, frozenset[str]] = {}
    for settings in _settings(campaign):
        if settings.provider == provider:
            routing = settings.parameters.get("provider")
            only = routing.get("only") if isinstance(routing, Mapping) else None
            names: frozenset[str] = frozenset(map(str, only)) if isinstance(only, list | tuple) else frozenset()
            known = pinned.get(settings.name, names)
            pinned[settings.name] = known | names if known and names else frozenset()
    return {name: names for name, names in pinned.items() if names}


def _settings(campaign: Campaign) -> Iterator[ModelSettings]:
    yield campaign.model
    yield from campaign.more_models.values()
