"""Claims on a provider that calls an HTTP API."""

from __future__ import annotations

from imagemake.testing.arriving import ArrivingClaims
from imagemake.testing.batches import BatchClaims
from imagemake.testing.failing import FailingClaims
from imagemake.testing.keeping_keys import KeyClaims
from imagemake.testing.local import ContractClaims
from imagemake.testing.queued import QueueClaims
from imagemake.testing.waiting import WaitingClaims


class ServerConformance(
    ContractClaims, ArrivingClaims, FailingClaims, KeyClaims, WaitingClaims, QueueClaims, BatchClaims
):
    """Claims on a provider that calls an HTTP API.

    Attributes:
        provider: The provider's class.
        model: Name of a model.
        parameters: Parameters of every recipe.
        prompt: A prompt that the API accepts.
        takes_mask: Whether reference images can have a mask.
        takes_references: Whether the API takes reference images, if the provider does.
        several: Whether one response can hold several images.
        sizes: How sizes as campaigns write them arrive: `Sent.size` by size.
        faults: How the API says that a call failed: a response to the call that makes an image, or a function that
            returns the response to any request, or None where a request is answered as ever.
        base_path: Path of base_url, such as ``/v1``.
        key: A key that the API accepts.
        batch_paths: What the paths of requests to the Batch API contain; empty if no test is to call it.
    """
