"""What a plan needs from the team store. Without a team store, nothing is imported for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from imagemake.plugins.providers import provider_class

if TYPE_CHECKING:
    from imagemake.config.remotes import SharedStore
    from imagemake.core.recipe import Recipe
    from imagemake.store.store import Store


def keys_of_team(settings: SharedStore, recipes: Iterable[Recipe], warn: Callable[[str], None]) -> set[str]:
    """Return the keys of images that a run would fetch from the team store instead of paying for them.

    Args:
        settings: Section ``store`` of the configuration.
        recipes: Recipes of the images to generate.
        warn: Called with a message if the team store is unavailable. The run then pays for all images.
    """
    if settings.team is None:
        return set()
    keys = {recipe.key() for recipe in recipes if provider_class(recipe.provider).paid}
    if not keys:
        return set()
    from imagemake.store.team.team_store import open_team_store

    team = open_team_store(settings, warn)
    return (team.known(keys) or set()) if team else set()


def unshared_words(settings: SharedStore, store: Store) -> list[str]:
    """Return a sentence with the number of images that are not in the team store yet, or nothing if there are none."""
    if settings.team is None:
        return []
    count = sum(1 for _ in store.unshared.glob("[0-9a-f]*"))
    images = f"{count:,} image{'' if count == 1 else 's'}"
    are = "is" if count == 1 else "are"
    remedy = "the next run that generates images tries again, or run `imagemake share`"
    return [f"{images} of this store {are} not in the team store yet; {remedy}"] if count else []
