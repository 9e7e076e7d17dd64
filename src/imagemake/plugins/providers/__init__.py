"""The contract of providers, which make images. One file or folder per provider.

An installed package adds providers through the group of entry points `imagemake.providers`. A provider derives from
`Provider`, and also from `ReferenceProvider`, `BatchProvider`, or `ReferenceBatchProvider` for what else it can do. One
whose API is a queue derives from `QueueProvider`, in `imagemake.plugins.providers.queue`.
"""

from __future__ import annotations

from collections.abc import Mapping

from imagemake.core.known_secrets import know_variable
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers.batch_provider import (
    BatchFileLimits,
    BatchProvider,
    BatchState,
    ReferenceBatchProvider,
    Result,
)
from imagemake.plugins.providers.connection import Connection, Dialect, ReferenceForm, SizeForm
from imagemake.plugins.providers.failures import NOT_FETCHED, FailureKind, ProviderError
from imagemake.plugins.providers.listing import ListedEndpoint, ModelList
from imagemake.plugins.providers.provider import Provider, ReferenceProvider, ServerCheck
from imagemake.plugins.providers.response import ImageResponse, SeedUse
from imagemake.plugins.registry import load_plugin

__all__ = [
    "NOT_FETCHED",
    "BatchFileLimits",
    "BatchProvider",
    "BatchState",
    "Connection",
    "Dialect",
    "FailureKind",
    "ImageResponse",
    "ListedEndpoint",
    "ModelList",
    "Provider",
    "ProviderError",
    "ReferenceBatchProvider",
    "ReferenceForm",
    "ReferenceProvider",
    "Result",
    "SeedUse",
    "ServerCheck",
    "SizeForm",
]

BUILT_IN = {
    "bfl": "imagemake.plugins.providers.bfl.provider:BflProvider",
    "comfyui": "imagemake.plugins.providers.comfyui.provider:ComfyUIProvider",
    "dashscope": "imagemake.plugins.providers.dashscope.provider:DashScopeProvider",
    "diffusers": "imagemake.plugins.providers.diffusers.provider:DiffusersProvider",
    "fal": "imagemake.plugins.providers.fal.provider:FalProvider",
    "gemini": "imagemake.plugins.providers.gemini.provider:GeminiProvider",
    "openai": "imagemake.plugins.providers.openai.provider:OpenAIProvider",
    "openrouter": "imagemake.plugins.providers.openrouter.provider:OpenRouterProvider",
    "preview": "imagemake.plugins.providers.preview:PreviewProvider",
    "replicate": "imagemake.plugins.providers.replicate.provider:ReplicateProvider",
}


def provider_class(name: str) -> type[Provider]:
    """Load the class of a provider.

    Raises:
        LookupError: If no provider has that name.
        UserError: If the package that has it is broken.
    """
    loaded: type[Provider] = load_plugin("provider", name, BUILT_IN, Provider)
    if loaded.key_variable:
        know_variable(loaded.key_variable)
    return loaded


def takes_batches(provider: type[Provider]) -> bool:
    """Return whether a provider has a Batch API."""
    return issubclass(provider, BatchProvider)


def takes_references(provider: type[Provider], *, batch: bool = False) -> bool:
    """Return whether a provider accepts reference images, one by one or in its batches."""
    return issubclass(provider, ReferenceBatchProvider if batch else ReferenceProvider)


async def response_to(provider: Provider, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
    """Request one image, with the recipe's reference images if it has some.

    Raises:
        ProviderError: If no image came.
    """
    if not recipe.references:
        return await provider.generate(recipe)
    if not isinstance(provider, ReferenceProvider):  # the plan checks this; a plug-in may have changed since
        raise ProviderError("this provider takes no reference images", FailureKind.STOP, code="no_references")
    return await provider.generate_from(recipe, images)
