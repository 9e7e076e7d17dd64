"""`imagemake models`: what is known about the models of a campaign, and the lists of its providers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.models import Model

DESCRIPTION = """\
Lists the models of the campaign: what they accept, what they cost, since when, and who says so. The facts come from,
in this order: models in config.yaml, the provider's own list in config/models, and the table of imagemake.

With --update, asks the providers for their own lists, which costs nothing, and writes each to a dated file in
config/models. Commit these files: they keep the facts of a campaign where they are until the next update. OpenRouter
lists what its models accept and cost; servers with OpenAI's API list names only. No list is part of any key, so that
an update generates no image again.
"""
EXAMPLES = """\
examples:
  show what is known about the models of this campaign
    imagemake models
  ask the providers of this campaign for their lists
    imagemake models --update
  ask one provider, also if the campaign does not use it
    imagemake models --update openrouter
  show all models of these lists, to choose one
    imagemake models --all
"""
EACH = "all providers of the campaign"


def add_models_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake models`."""
    parser.add_argument(
        "--update",
        metavar="PROVIDER",
        nargs="?",
        const=EACH,
        help=f"ask a provider for its own list; without PROVIDER, {EACH}",
    )
    parser.add_argument("--all", action="store_true", help="list all models of the lists, also those not in use")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from imagemake.cli.terminal import print_lines
    from imagemake.config.fields import CONFIG
    from imagemake.config.load import read_campaign
    from imagemake.core.text import printable

    if options.update is not None:
        from imagemake.cli.model_lists import update_lists

        status = update_lists(None if options.update == EACH else options.update)
        if status or not options.all:
            return status
    campaign = read_campaign(Path(CONFIG))
    # Lists come from servers and from colleagues.
    print_lines(printable(line) for line in (_all_lines(campaign) if options.all else _lines(campaign)))
    return 0


def _lines(campaign: Campaign) -> Iterator[str]:
    from imagemake.config.listings import server_of
    from imagemake.config.models import load_models
    from imagemake.config.models.listed import read_listing
    from imagemake.config.several_models import settings_of

    table = load_models(campaign.models)
    for label in _labels(campaign):
        settings = settings_of(label, campaign)
        server = server_of(settings)
        yield f"{settings.name} of {settings.place}"
        listing = read_listing(server)
        if listing is not None:
            is_listed = "listed" if settings.name in listing.models else "NOT listed"
            yield f"  {is_listed} on {listing.listed_on} at {listing.source}, in {server.path}"
            for endpoint, one in listing.models.get(settings.name, {}).items():
                yield f"  endpoint {endpoint}: {'; '.join(one.pricing) or 'no prices'}"
        model = settings.connects_to.model(settings.name, table)
        yield from (f"  {line}" for line in (_known(model) if model else ["nothing is known about it"]))
    print("\nTo renew the lists, run: imagemake models --update", file=sys.stderr)


def _labels(campaign: Campaign) -> list[str]:
    """Return the labels of models that a campaign names: its own, and in rules, variables, and the catalog."""
    from imagemake.core.problems import UserError
    from imagemake.plan.requests.catalog import read_catalog
    from imagemake.plan.requests.model_choice import MODEL

    labels = [
        campaign.model.name,
        *campaign.more_models,
        *(label for rule in campaign.model_rules for label in rule.model),
    ]
    labels += campaign.variables.get(MODEL, ())
    try:
        labels += [row.values.get(MODEL, "") for row in read_catalog(Path(campaign.catalog))]
    except UserError:
        print(f"{campaign.catalog} cannot be read, so the models that it names are not shown.", file=sys.stderr)
    return list(filter(None, dict.fromkeys(labels)))


def _known(model: Model) -> Iterator[str]:
    from imagemake.config.models.words import accepted_in_words, price_in_words

    facts = model.facts
    price, as_of = price_in_words(facts), f" (valid on {facts.prices.as_of})" if facts.prices else ""
    most = facts.max_usd_per_image
    if price:
        yield f"price: {price}{as_of}"
    elif most is not None:
        yield f"price: at most ${most.normalize():f} per image"
    else:
        yield "price: unknown until calls tell it"
    yield from (line.replace("`", "") for line in accepted_in_words(facts))
    if facts.retires_on is not None:
        instead = " or ".join(facts.use_instead)
        yield f"shut down on {facts.retires_on}" + (f"; use {instead}" if instead else "")


def _all_lines(campaign: Campaign) -> Iterator[str]:
    from imagemake.config.listings import lists_of

    lists = lists_of(campaign)
    if not lists:
        print("There is no list yet. Run: imagemake models --update", file=sys.stderr)
    for server, listing in lists.items():
        yield f"{server.path}: {len(listing.models):,} models, listed on {listing.listed_on} at {listing.source}"
        for name, endpoints in listing.models.items():
            prices = "; ".join(dict.fromkeys(line for one in endpoints.values() for line in one.pricing))
            yield f"  {name}" + (f"  {prices}" if prices else "")
