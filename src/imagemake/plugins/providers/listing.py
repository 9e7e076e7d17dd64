"""What a provider's own list says about its models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ListedEndpoint:
    """One way in which a provider serves a model.

    Attributes:
        facts: In the form of an entry of models.toml, without ``prices.as_of``. Nobody has checked them.
        pricing: All prices in words, also those that facts have no field for.
    """

    facts: Mapping[str, Any]
    pricing: tuple[str, ...] = ()


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
    ignored: tuple[str, ...] = field(default=())
