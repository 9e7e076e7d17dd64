"""The base of all providers, and of those that accept reference images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from imagemake.core.recipe import Json, Recipe
from imagemake.plugins.providers.connection import Connection
from imagemake.plugins.providers.failures import KEY_VARIABLE, FailureKind, ProviderError
from imagemake.plugins.providers.listing import ModelList
from imagemake.plugins.providers.response import ImageResponse, SeedUse


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
