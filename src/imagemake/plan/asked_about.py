"""What calls to models are about: images, prompts, and attempts, by the digests that begin the keys of these calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from imagemake.config.asked import PROMPTS
from imagemake.store.answers import prompt_digest

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.plan.state import State


def asks_models(campaign: Campaign) -> bool:
    """Return whether a campaign asks models about images or prompts."""
    return any((campaign.validation.asked.askers, campaign.attempts.rewrite, campaign.prompts.asker))


def asked_about(state: State) -> Iterator[str]:
    """Yield the keys and digests that calls to models about a request and its images have."""
    yield prompt_digest(PROMPTS)  # prompts of several requests are moderated by one call
    yield prompt_digest(state.request.recipe.prompt)
    attempts = [(state.key, state.raw), *((past.key, past.raw) for past in state.past)]
    for key, raw in attempts:
        yield key
        if raw is not None:
            yield raw.digest
