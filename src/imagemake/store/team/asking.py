"""What a plan asks and tells about the team's store; where there is none, nothing is imported for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from imagemake.plugins.providers import provider_class

if TYPE_CHECKING:
    from imagemake.config.remotes import SharedStore
    from imagemake.core.recipe import Recipe
    from imagemake.store.store import Store


def keys_of_team(settings: SharedStore, recipes: Iterable[Recipe], warn: Callable[[str], None]) -> set[str]:
    """Say which images a run would take from the team instead of paying for them.

    Args:
        settings: The campaign's section ``store``.
        recipes: What is to be made.
        warn: Told where the team's store cannot be asked; the run would pay for everything then.
    """
    if settings.remote is None:
        return set()
    keys = {recipe.key() for recipe in recipes if provider_class(recipe.provider).paid}
    if not keys:
        return set()
    from imagemake.store.team.team_store import open_team_store

    team = open_team_store(settings, warn)
    return (team.known(keys) or set()) if team else set()


def unshared_words(settings: SharedStore, store: Store) -> list[str]:
    """Say how many images the team should have and does not."""
    if settings.remote is None:
        return []
    count = sum(1 for _ in store.unshared.glob("[0-9a-f]*"))
    images = f"{count:,} image{'' if count == 1 else 's'}"
    then = "the next run that makes images tries again, or `imagemake share`"
    return [f"{images} of this store did not get into the team's; {then}"] if count else []
