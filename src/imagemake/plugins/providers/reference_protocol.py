"""What a provider must offer so that requests can send reference images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import FailureKind, ImageResponse, Provider, ProviderError


@runtime_checkable
class ReferenceProvider(Protocol):
    """A provider that takes reference images beside a prompt."""

    async def generate_from(self, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
        """Make one image from a recipe that has reference images.

        Args:
            recipe: Names its reference images, and the mask where there is one, by SHA-256.
            images: The content of each, as PNG, JPEG or WebP, by SHA-256; checked against it, and not decoded.

        Raises:
            ProviderError: If there is none; it says what that means.
        """


@runtime_checkable
class ReferenceBatchProvider(Protocol):
    """A provider whose batches take reference images: each is handed over before the lines that name it."""

    async def upload_image(self, digest: str, content: bytes) -> None:
        """Hand an image over, unless it is there already.

        Raises:
            ProviderError: If it was not taken.
        """


def takes_references(provider: type[Provider], *, batch: bool = False) -> bool:
    """Say whether a class of providers takes reference images, one by one or in its batches."""
    return hasattr(provider, "upload_image" if batch else "generate_from")


async def answer_to(provider: Provider, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
    """Ask a provider for one image, with its reference images where the recipe has some.

    Raises:
        ProviderError: If there is none; it says what that means.
    """
    if not recipe.references:
        return await provider.generate(recipe)
    if not isinstance(provider, ReferenceProvider):  # the plan tells so before; a plug-in may have changed since
        raise ProviderError("this provider takes no reference images", FailureKind.STOP, code="no_references")
    return await provider.generate_from(recipe, images)
