"""How to reach a server, and how its API spells what imagemake spells one way."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from imagemake.plugins.providers.failures import FailureKind, ProviderError


class SizeForm(StrEnum):
    """How an API wants the size of an image.

    Attributes:
        SIZE: As ``size: "1024x1536"``, or as the user wrote it.
        EDGES: As ``width: 1024`` and ``height: 1536``.
        RATIO: As ``aspect_ratio: "2:3"`` and ``resolution: "1k"``.
    """

    SIZE = "size"
    EDGES = "width_height"
    RATIO = "aspect_ratio"


class ReferenceForm(StrEnum):
    """How an API wants reference images.

    Attributes:
        FILES: As files in the form of ``/images/edits``.
        URLS: As data URLs in ``image`` of ``/images/generations``: one as text, several as a list.
        OBJECT: As ``image: {"url": …, "type": "image_url"}`` in the JSON of ``/images/edits``; one only.
        LIST: As a list of data URLs in ``reference_images`` of ``/images/generations``.
    """

    FILES = "files"
    URLS = "urls"
    OBJECT = "object"
    LIST = "reference_images"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server spells a request, where servers with the same API differ.

    Attributes:
        seed: Name of the field for the seed; None if the server takes none. ``<tag>`` means that the seed goes into the
            prompt, as JSON between ``<tag>`` and ``</tag>``.
        size: How it wants the size.
        negative: Name of the field for the negative prompt; ``|`` means that it follows the prompt after that sign.
        fixed: Fields that every request has, unless the campaign sets them, such as ``response_format``.
        references: How it wants reference images.
    """

    seed: str | None = None
    size: SizeForm = SizeForm.SIZE
    negative: str = "negative_prompt"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    references: ReferenceForm = ReferenceForm.FILES


def _nothing_known(model: str) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a server.

    Attributes:
        base_url: Its address; None for the provider's own.
        timeout_s: Longest wait for one response, in seconds.
        key_from: Environment variable with the key, as the user named it; None for the provider's own server's key.
        headers: Further headers of every call, with the values of their variables.
        known_of: Returns what is known of how a model's server spells requests: fields of `Dialect`, by name.
        files: The user's files that the model is made of, by what they are; see `Provider.model_files`.
        local: How a model runs on this machine: the section ``model.local``.
        pool: Addresses of further servers that do the same.
    """

    base_url: str | None = None
    timeout_s: float = 300.0
    key_from: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    known_of: Callable[[str], Mapping[str, Any]] = _nothing_known
    files: Mapping[str, str] = field(default_factory=dict)
    local: Mapping[str, Any] = field(default_factory=dict)
    pool: tuple[str, ...] = ()

    def key(self, variable: str, domain: str) -> str | None:
        """Return the key for the server: the one that the user named, or the provider's own at its own domain only.

        Args:
            variable: Environment variable with the key for the provider's own servers.
            domain: Domain of the provider's own servers, such as ``openai.com``.

        Returns:
            None if no key is meant for this server.

        Raises:
            ProviderError: `FailureKind.STOP`, if the variable is not set.
        """
        name = self.key_variable(variable, domain)
        if name is None:
            return None
        if key := os.environ.get(name, "").strip():
            return key
        remedy = f"Set the environment variable {name} to a valid key."
        raise ProviderError(f"{name} is not set", FailureKind.STOP, code="no_key", remedy=remedy)

    def key_variable(self, variable: str | None, domain: str | None) -> str | None:
        """Return the name of the environment variable with the key for the server; None if it needs none."""
        if self.key_from is not None:
            return self.key_from
        return variable if self.base_url is None or is_of_domain(self.base_url, domain) else None

    def dialect(self, model: str, default: Dialect) -> Dialect:
        """Return how the server spells requests to a model: what is known of it, and `default` for the rest."""
        return replace(default, **self.known_of(model))


def is_of_domain(url: str, domain: str | None) -> bool:
    """Return whether an https address leads to a domain or a subdomain of it."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    return domain is not None and parts.scheme == "https" and (host == domain or host.endswith(f".{domain}"))
