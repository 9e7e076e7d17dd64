"""Fetch the image of a response that was paid for: the response is on disk first, so that no crash loses it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from imagemake.plugins.providers import NOT_FETCHED, FailureKind, ImageResponse, Provider, ProviderError
from imagemake.store.store import Store


async def fetched(provider: Provider, store: Store, call: str, to_fetch: ProviderError) -> ImageResponse:
    """Keep a response in the store, and then get its image from its URL.

    Args:
        provider: The provider that sent the response.
        store: The store that keeps it; the caller removes it again once the image is in the store.
        call: ID of the call.
        to_fetch: The provider's error of `FailureKind.TO_FETCH`.

    Raises:
        ProviderError: `FailureKind.UNREADABLE` with the code `NOT_FETCHED` if the image did not come: the next run
            tries again before anything is paid for. It has the response as its body if the disk refused it.
    """
    body = to_fetch.body or b""
    try:
        await asyncio.to_thread(store.keep_unreadable, call, body)
    except OSError as refusal:
        message = f"the response could not be kept before its image is fetched: {refusal.strerror}"
        raise _not_fetched(message, to_fetch, body=body) from refusal
    try:
        answer = await provider.read_again(body)
    except ProviderError as error:
        raise _not_fetched(str(error), to_fetch, remedy=error.remedy) from None
    return replace(answer, request_id=to_fetch.request_id, usage=to_fetch.usage, headers=to_fetch.headers)


def _not_fetched(
    message: str, to_fetch: ProviderError, *, body: bytes | None = None, remedy: str | None = None
) -> ProviderError:
    return ProviderError(
        message,
        FailureKind.UNREADABLE,
        code=NOT_FETCHED,
        status=to_fetch.status,
        request_id=to_fetch.request_id,
        usage=to_fetch.usage,
        cost_usd=to_fetch.cost_usd,
        body=body,
        remedy=remedy,
        headers=to_fetch.headers,
    )
