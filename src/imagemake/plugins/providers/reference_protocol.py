"""What a provider must offer so that requests can send reference pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Answer, Failure, Provider, ProviderError


@runtime_checkable
class ReferenceProvider(Protocol):
    """A provider that takes reference pictures beside a prompt."""

    async def generate_from(self, recipe: Recipe, pictures: Mapping[str, bytes]) -> Answer:
        """Make one picture from a recipe that has reference pictures.

        Args:
            recipe: Names its reference pictures, and the mask where there is one, by SHA-256.
            pictures: The content of each, as PNG, JPEG or WebP, by SHA-256; checked against it, and not decoded.

        Raises:
            ProviderError: If there is none; it says what that means.
        """


@runtime_checkable
class ReferenceBatchProvider(Protocol):
    """A provider whose batches take reference pictures: each is handed over before the lines that name it."""

    async def upload_picture(self, digest: str, content: bytes) -> None:
        """Hand a picture over, unless it is there already.

        Raises:
            ProviderError: If it was not taken.
        """


def takes_references(provider: type[Provider], *, batch: bool = False) -> bool:
    """Say whether a class of providers takes reference pictures, one by one or in its batches."""
    return hasattr(provider, "upload_picture" if batch else "generate_from")


async def answer_to(provider: Provider, recipe: Recipe, pictures: Mapping[str, bytes]) -> Answer:
    """Ask a provider for one picture, with its reference pictures where the recipe has some.

    Raises:
        ProviderError: If there is none; it says what that means.
    """
    if not recipe.references:
        return await provider.generate(recipe)
    if not isinstance(provider, ReferenceProvider):  # the plan tells so before; a plug-in may have changed since
        raise ProviderError("this provider takes no reference pictures", Failure.STOP, code="no_references")
    return await provider.generate_from(recipe, pictures)
