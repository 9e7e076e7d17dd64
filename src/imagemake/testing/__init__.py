"""Claims that every provider must keep, for tests of your own provider with pytest.

Derive a test class from `ServerConformance` if the provider calls an HTTP API, else from `ProviderConformance`, and say
in it what your API's requests and responses look like. pytest then runs every claim: one call per image, bytes
untouched, failures booked to whom they belong, no key for anybody else. No claim needs the Internet.
"""

from __future__ import annotations

try:
    import pytest
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("imagemake.testing needs pytest. Run: pip install 'imagemake[testing]'") from error

# So that a claim that fails shows the values that it compared.
_CLAIMS = ("arriving", "batches", "failing", "keeping_keys", "local", "queued", "waiting")
pytest.register_assert_rewrite(*(f"imagemake.testing.{name}" for name in _CLAIMS))

from imagemake.testing.api import Batch, BatchEnd, Fault, Images, Part, Request, Response, Sent  # noqa: E402  after the rewriting
from imagemake.testing.local import ProviderConformance  # noqa: E402
from imagemake.testing.server import ServerConformance  # noqa: E402
from imagemake.testing.stand_in import forward  # noqa: E402

__all__ = [
    "Batch",
    "BatchEnd",
    "Fault",
    "Images",
    "Part",
    "ProviderConformance",
    "Request",
    "Response",
    "Sent",
    "ServerConformance",
    "forward",
]
