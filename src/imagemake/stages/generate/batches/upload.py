"""Upload the images that a batch refers to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import FailureKind, ProviderError, ReferenceBatchProvider
from imagemake.store.sent_images import SentImages
from imagemake.store.store import DamagedError, Store

UPLOADS_AT_ONCE = 8


async def upload_for_batch(provider: object, recipes: Iterable[Recipe], store: Store) -> None:
    """Upload every image that the recipes of a batch refer to, each once.

    Raises:
        ProviderError: If the provider does not accept an image, or the store has lost it.
    """
    digests = list(dict.fromkeys(digest for recipe in recipes for digest in recipe.files))
    if not digests:
        return
    if not isinstance(provider, ReferenceBatchProvider):  # the plan checks this; a plug-in may have changed since
        raise ProviderError(
            "batches of this provider do not support reference images", FailureKind.STOP, code="no_references"
        )
    sent, room, failed = SentImages(store), asyncio.Semaphore(UPLOADS_AT_ONCE), list[ProviderError]()

    async def upload(digest: str) -> None:
        async with room:
            if failed:  # the others would most likely fail too
                return
            try:
                await provider.upload_image(digest, await asyncio.to_thread(sent.read, digest))
            except ProviderError as error:
                failed.append(error)
            except DamagedError as error:
                message = f"{error}; the next run copies it again"
                failed.append(ProviderError(message, FailureKind.UNAVAILABLE, code="no_reference"))

    await asyncio.gather(*map(upload, digests))
    if failed:
        raise failed[0]
