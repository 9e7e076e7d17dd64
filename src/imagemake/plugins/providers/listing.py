"""What a provider's own list says about its models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagemake.core.known_secrets import redacted_value


@dataclass(frozen=True, slots=True)
class ListedEndpoint:
    """One way in which a provider serves a model.

    Attributes:
        facts: In the form of an entry of models.toml, without ``prices.as_of``. Nobody has checked them.
        pricing: All prices in words, also those that facts have no field for.
    """

    facts: Mapping[str, Any]
    pricing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # The server may have echoed a secret, and the list becomes a file.
        object.__setattr__(self, "facts", redacted_value(self.facts))
        object.__setattr__(self, "pricing", redacted_value(self.pricing))


@dataclass(frozen=True, slots=True)
class ModelList:
    """The models that a provider lists.

    Attributes:
        source: Address of the list.
        models: By name; then by name of the endpoint, which is none where the list tells names only.
        ignored: What could not be read, one line each.
    """

    source: str
    models: Mapping[str, Mapping[str, ListedEndpoint]]
    ignored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", redacted_value(self.models))
        object.__setattr__(self, "ignored", redacted_value(self.ignored))
