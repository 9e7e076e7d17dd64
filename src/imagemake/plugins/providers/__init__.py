"""The contract of providers, which make images. One file or folder per provider.

An installed package adds providers through the group of entry points `imagemake.providers`. A provider derives from
`Provider`, and also from `ReferenceProvider`, `BatchProvider`, or `ReferenceBatchProvider` for what else it can do. One
whose API is a queue derives from `QueueProvider`, in `imagemake.plugins.providers.queue`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from imagemake.core.known_secrets import know_variable, redacted_bytes, redacted_value
from imagemake.core.recipe import Json, Recipe
from imagemake.images.formats import extension_of
from imagemake.plugins.providers.connection import Connection, Dialect, ReferenceForm, SizeForm
from imagemake.plugins.providers.failures import KEY_VARIABLE, NOT_FETCHED, FailureKind, ProviderError
from imagemake.plugins.providers.listing import ListedEndpoint, ModelList
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


class SeedUse(StrEnum):
    """What became of a recipe's seed.

    Attributes:
        SENT: The request contained it.
        NOT_SENT: The API accepts no seed, so a different seed is just a different draw.
        SERVER: The server chose another one.
    """

    SENT = "sent"
    NOT_SENT = "not sent"
    SERVER = "set by the server"


@dataclass(frozen=True, slots=True)
class ImageResponse:
    """A provider's response to one recipe.

    Attributes:
        image: The bytes of the image file, not decoded.
        request_id: The provider's ID of the call, for its support and its bills.
        usage: Token counts as the provider reports them.
        headers: By lower-case name; only rate limits are read from them.
        more: Further images of the same response. They are paid for too, so they are kept.
        cost_usd: What the call cost, where the provider says so; it replaces the cost by the model table.
        seed_use: What became of the seed, where that differs from what `Provider.seed_use` says.
        seed: The seed that the server set or used, if it says so.
        model: The version of the model that made the image, if the response names it.
        seconds: How long the machine worked for this image, where that is not the duration of the call.
    """

    image: bytes
    request_id: str | None = None
    usage: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    more: tuple[bytes, ...] = ()
    cost_usd: float | None = None
    seed_use: SeedUse | None = None
    seed: int | None = None
    model: str | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        # The server may have echoed a secret. Images of a known format stay as they are.
        _redact(self, "request_id", "usage", "headers", "model")
        object.__setattr__(self, "image", _without_secrets(self.image))
        object.__setattr__(self, "more", tuple(_without_secrets(one) for one in self.more))


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """What a server said without being paid.

    Attributes:
        words: What was found, to follow the model's name: ``the server knows it``.
        is_fault: Whether the user must correct something.
        time: The server's clock, in UTC; None if it does not tell.
    """

    words: str
    is_fault: bool = False
    time: datetime | None = None


class Provider(ABC):
    """Makes images from recipes.

    Attributes:
        required: Attributes without a default, with their types; `imagemake.plugins.registry` checks them.
        paid: Whether a call costs money. If so, its bytes are on disk before anything else happens.
        trained: Whether a trained model makes the images. If not, released files do not say that AI made them.
        key_variable: Environment variable with the key for the provider's own servers; None if they need no key.
        domain: Domain of the provider's own servers, such as ``openai.com``: the only ones that get this key unless the
            user names it for another server.
        lists_facts: Whether `list_models` tells what models take and cost, and not only their names.
        uses_files: Whether models are made of the user's files, as `model_files` tells.
        packages: Packages that may be missing, as ``{module: name to install}``. Users hear of them before the run.
        determinism: What a repeated request gives where the model table does not say, as in the table's facts.
    """

    required: ClassVar[Mapping[str, type]] = {"paid": bool}

    paid: ClassVar[bool]
    trained: ClassVar[bool] = True
    key_variable: ClassVar[str | None] = None
    domain: ClassVar[str | None] = None
    lists_facts: ClassVar[bool] = False
    uses_files: ClassVar[bool] = False
    packages: ClassVar[Mapping[str, str]] = {}
    determinism: ClassVar[str | None] = None

    def __init__(self, connection: Connection) -> None:
        """Take the server to call."""
        self.connection = connection

    @abstractmethod
    async def generate(self, recipe: Recipe) -> ImageResponse:
        """Make one image, by exactly one call: the caller records each one and decides about retries.

        Raises:
            ProviderError: If no image came.
        """

    @classmethod
    def model_files(
        cls, model: str, files: Mapping[str, str], parameters: Mapping[str, Json], *, present: bool = False
    ) -> Mapping[str, str]:
        """Return the SHA-256 of each of the user's files that decide an image, by what they are. They are in its key.

        The plan calls it, so it imports nothing heavy; `imagemake.plugins.weights` remembers digests.

        Args:
            model: The model's name.
            files: The files and folders in ``model.files``, by what they are.
            parameters: The parameters of the request.
            present: Whether the files must be there; otherwise, the last known digests do.

        Raises:
            NotReadyError: If a file is missing.
        """
        return {}

    def seed_use(self, model: str) -> SeedUse | None:
        """Return what becomes of the seed in calls to a model; None if the provider does not say."""
        return None

    async def read_again(self, body: bytes) -> ImageResponse:
        """Read a response that was kept, with the code as it is now, and get its image if it is at a URL.

        Args:
            body: What a `ProviderError` of `TO_FETCH` or `UNREADABLE` had as its body.

        Raises:
            ProviderError: `UNREADABLE` if there is still no image; with the code `NOT_FETCHED` if it may come later.
        """
        raise ProviderError("its provider does not read kept responses", FailureKind.UNREADABLE)

    async def check(self, model: str) -> ServerCheck | None:
        """Ask the server whether it is there and knows a model, by a call that costs nothing.

        Returns:
            What it said; None if it has no such call.

        Raises:
            ProviderError: If it is out of reach, or refuses the key.
        """
        return None

    async def list_models(self) -> ModelList | None:
        """Ask the server which models it has, and what they take and cost, by calls that cost nothing.

        Returns:
            The list, for `imagemake models --update`; None if the provider has none.

        Raises:
            ProviderError: If it is out of reach, or its list cannot be read.
        """
        return None

    def remedy_of(self, error: ProviderError) -> str:
        """Return what the user can do about an error, with the name of the variable that holds the server's key."""
        name = self.connection.key_variable(self.key_variable, self.domain)
        return error.remedy.replace(KEY_VARIABLE, f"the environment variable {name}" if name else "model.key_from")

    async def close(self) -> None:  # noqa: B027 - most providers have nothing to close
        """Close connections."""


class ReferenceProvider(Provider):
    """A provider that accepts reference images."""

    @abstractmethod
    async def generate_from(self, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
        """Make one image from a recipe with reference images.

        Args:
            recipe: Names its reference images, and the mask if it has one, by SHA-256.
            images: The content of each by SHA-256, as PNG, JPEG, or WebP; the digest was checked, nothing was decoded.

        Raises:
            ProviderError: If no image came.
        """


@dataclass(frozen=True, slots=True)
class BatchState:
    """The state of a provider's batch.

    Attributes:
        id: The provider's ID of the batch.
        status: The provider's word.
        is_over: Whether nothing more will come.
        n_done: Requests that have succeeded or failed.
        n_all: Requests in all.
        files: Files with results.
        input_file: The file that was uploaded.
        was_cancelled: Whether it was canceled.
        expires_at: When the provider gives up on it, in seconds of Unix time.
        error: Why the whole batch failed: `FailureKind.RATE_LIMITED` if the provider's queue is full.
        bad_lines: Errors in single lines of a rejected file, by line number from 1.
    """

    id: str
    status: str
    is_over: bool
    n_done: int
    n_all: int
    files: tuple[str, ...]
    input_file: str
    was_cancelled: bool = False
    expires_at: float | None = None
    error: ProviderError | None = None
    bad_lines: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # The server may have echoed a secret.
        _redact(self, "id", "status", "files", "input_file", "bad_lines")


@dataclass(frozen=True, slots=True)
class Result:
    """One line of a batch's results."""

    custom_id: str
    outcome: ImageResponse | ProviderError


@dataclass(frozen=True, slots=True)
class BatchFileLimits:
    """The limits of one file of requests.

    Attributes:
        lines: Most requests. Source: OpenAI's Batch API.
        size_bytes: Most bytes; "200 MB" in its smaller meaning.
    """

    lines: int = 50_000
    size_bytes: int = 200 * 10**6


class BatchProvider(Provider):
    """A provider with a Batch API, for `mode: batch`.

    All methods but `batch_request` and `batch_line` raise `ProviderError`.

    Attributes:
        file_limits: The limits of one file of requests.
        images_in_lines: Whether the lines have the reference images in them, so that none are uploaded.
    """

    file_limits: ClassVar[BatchFileLimits] = BatchFileLimits()
    images_in_lines: ClassVar[bool] = False

    @abstractmethod
    def batch_request(self, recipe: Recipe) -> tuple[str, dict[str, Any]]:
        """Return the endpoint and the body of a recipe's line. A file holds lines of one endpoint."""

    def batch_line(self, call: str, recipe: Recipe) -> dict[str, Any]:
        """Return a line of a file of requests, in OpenAI's form.

        Args:
            call: ID of the call, as `Result.custom_id` names it later.
            recipe: The recipe.
        """
        endpoint, body = self.batch_request(recipe)
        return {"custom_id": call, "method": "POST", "url": endpoint, "body": body}

    def read_result(
        self, recipe: Mapping[str, Any] | None, outcome: ImageResponse | ProviderError
    ) -> ImageResponse | ProviderError:
        """Return what a line of results means for the recipe that it answers.

        Args:
            recipe: The recipe as the journal has it; None if that record is lost.
            outcome: The line's, from `batch_results`.
        """
        return outcome

    @abstractmethod
    async def upload_batch(self, path: Path) -> str:
        """Upload a file of requests and return its ID."""

    @abstractmethod
    async def create_batch(self, file: str, endpoint: str, metadata: Mapping[str, str]) -> BatchState:
        """Start a batch."""

    @abstractmethod
    async def find_batch(self, metadata: Mapping[str, str]) -> BatchState | None:
        """Find a batch by its metadata."""

    @abstractmethod
    async def poll_batch(self, batch: str) -> BatchState:
        """Return the state of a batch."""

    @abstractmethod
    async def cancel_batch(self, batch: str) -> BatchState:
        """Cancel a batch; images that are done by then are still collected."""

    @abstractmethod
    def batch_results(self, file: str) -> AsyncIterator[Result | str]:
        """Yield the results in a file, with one in memory at a time; a warning for each unreadable line."""

    @abstractmethod
    async def delete_batch_file(self, file: str) -> None:
        """Delete a file at the provider."""


class ReferenceBatchProvider(BatchProvider):
    """A provider whose batches accept reference images: each is uploaded before the lines that name it."""

    @abstractmethod
    async def upload_image(self, digest: str, content: bytes) -> None:
        """Upload an image by its SHA-256, unless it is there already.

        Raises:
            ProviderError: If the provider rejects it.
        """


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


def _without_secrets(image: bytes) -> bytes:
    return redacted_bytes(image) if extension_of(image) == "bin" else image  # no image: text, for all we know


def _redact(answer: ImageResponse | BatchState, *names: str) -> None:
    for name in names:
        object.__setattr__(answer, name, redacted_value(object.__getattribute__(answer, name)))
