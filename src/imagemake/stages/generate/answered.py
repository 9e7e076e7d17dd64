"""What the journal says of a response: its cost, its seed, and the model behind it."""

from __future__ import annotations

from typing import Any

from imagemake.config.models import Model, cost_usd, is_by_gpu_hour
from imagemake.plugins.providers import FailureKind, ImageResponse, Provider, ProviderError


def cost_of(
    model: Model | None,
    answer: ImageResponse | ProviderError,
    *,
    paid: bool = True,
    batch: bool = False,
    gpu_seconds: float | None = None,
) -> float | None:
    """Return the cost of a response in USD: what the provider says, or what the model table says of its usage.

    Args:
        model: The model table's entry; None if it has none.
        answer: The response.
        paid: Whether the provider's calls cost money.
        batch: Whether the request was part of a batch.
        gpu_seconds: How long it kept GPUs busy, if that was measured.

    Returns:
        None if the cost is unknown.
    """
    if not paid and not is_by_gpu_hour(model):
        return 0.0
    if answer.cost_usd is not None:
        return answer.cost_usd
    return cost_usd(model, answer.usage, batch=batch, gpu_seconds=gpu_seconds) if model else None


def is_billed(error: ProviderError) -> bool:
    """Return whether a response without an image is billed, as far as it says; some refusals are."""
    return error.failure is FailureKind.UNREADABLE or bool(error.usage or error.cost_usd)


def facts_of(answer: ImageResponse | ProviderError, provider: Provider, model: str) -> dict[str, Any]:
    """Return the fields of a closed call that its response decides; absent facts are None.

    Args:
        answer: The response.
        provider: The provider that has sent the request.
        model: The model that it named.
    """
    facts: dict[str, Any] = {"request_id": answer.request_id, "usage": answer.usage}
    if isinstance(answer, ImageResponse):
        seed_use = answer.seed_use or provider.seed_use(model)
        facts |= {
            "seed_use": seed_use.value if seed_use else None,
            "seed_used": answer.seed,
            "model_used": answer.model,
        }
    return facts
