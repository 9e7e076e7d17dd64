"""The recipe of an image, which determines its pixels, and the key that names it.

A key is the SHA-256 of the recipe's canonical JSON (RFC 8785), so that any language can compute it. Users have paid for
the images under these keys: ``tests/unit/core/recipe_vectors.json`` pins them, and a change that moves one needs a new
``RECIPE_VERSION`` and a migration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

__all__ = ["RECIPE_VERSION", "Recipe", "canonical_json", "digest_of"]

RECIPE_VERSION = 1
"""Version of what a recipe contains. It is part of every key."""
WORKFLOW = "workflow"  # among the files of a model: the one that is sent
SEED_BITS = 31  # every known image model accepts seeds of this size
LARGEST_EXACT_INTEGER = 2**53 - 1  # RFC 8785 numbers are IEEE 754 doubles

Scalar = str | int | float | bool
Json = Scalar | Sequence["Json"] | Mapping[str, "Json"] | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that determines the pixels of one image.

    Attributes:
        provider: Registered name of the provider, such as ``openai``.
        endpoint: Identity of the server in the key; None for the provider's own server.
        references: SHA-256 of each reference image's file, in the order of sending.
        mask: SHA-256 of the mask's file, or None.
        model: Model name with its version, as sent to the provider.
        prompt: The rendered prompt.
        negative_prompt: What the image must not show, or None.
        seed: 0 to 2**31 - 1.
        parameters: Parameters of the model, such as ``size``; a missing one has the provider's default.
        model_files: SHA-256 of the user's files that the model is made of, such as weights, by what they are.
    """

    provider: str
    model: str
    prompt: str
    seed: int
    parameters: Mapping[str, Json] = field(default_factory=dict)
    negative_prompt: str | None = None
    endpoint: str | None = None
    references: tuple[str, ...] = ()
    mask: str | None = None
    model_files: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as plain data, without absent fields, so that a new field changes no existing key."""
        data: dict[str, Any] = {
            "recipe": RECIPE_VERSION,
            "provider": self.provider,
            "model": self.model,
            "prompt": self.prompt,
            "seed": self.seed,
        }
        if self.parameters:
            data["parameters"] = dict(self.parameters)
        if self.negative_prompt is not None:
            data["negative_prompt"] = self.negative_prompt
        if self.endpoint is not None:
            data["endpoint"] = self.endpoint
        if self.references:
            data["references"] = list(self.references)
        if self.mask is not None:
            data["mask"] = self.mask
        if self.model_files:
            data["model_files"] = dict(self.model_files)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recipe:
        """Make a recipe from the data that `as_dict` returned.

        Raises:
            ValueError: If the data has another recipe version.
        """
        if data["recipe"] != RECIPE_VERSION:
            raise ValueError(f"recipe version {data['recipe']} is not {RECIPE_VERSION}")
        return cls(
            provider=data["provider"],
            model=data["model"],
            prompt=data["prompt"],
            seed=data["seed"],
            parameters=data.get("parameters", {}),
            negative_prompt=data.get("negative_prompt"),
            endpoint=data.get("endpoint"),
            references=tuple(data.get("references", ())),
            mask=data.get("mask"),
            model_files=data.get("model_files", {}),
        )

    @property
    def files(self) -> tuple[str, ...]:
        """SHA-256 of every file that a call sends: reference images, then the mask, then the workflow."""
        return (*self.references, *filter(None, (self.mask, self.workflow)))

    @property
    def workflow(self) -> str | None:
        """SHA-256 of the workflow that makes the image, for a provider that runs workflows."""
        return self.model_files.get(WORKFLOW)

    def key(self) -> str:
        """Return the SHA-256 of the canonical JSON as 64 hexadecimal digits."""
        return digest_of(self.as_dict())


def canonical_json(value: Any) -> bytes:
    """Write plain data as RFC 8785 canonical JSON.

    Args:
        value: Dicts with ASCII keys, lists, strings, booleans, None, integers of at most 53 bits, and floats.

    Raises:
        ValueError: If a number or a string has no canonical form: NaN, an integer above 53 bits, a lone surrogate.
    """
    try:
        return orjson.dumps(_canonical_numbers(value), option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise ValueError(f"no canonical JSON for {value!r}: {error}") from error


def _canonical_numbers(value: Any) -> Any:
    # orjson follows RFC 8785 except for integral floats (1.0) and floats outside [1e-4, 1e16).
    # Exact types first: a plan calls this a million times, and checks against abstract types are slow.
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        if abs(value) > LARGEST_EXACT_INTEGER:
            raise ValueError(f"integer {value} has more than 53 bits")
        return value
    if kind is dict or isinstance(value, Mapping):
        for key in value:
            if not key.isascii():
                raise ValueError(f"key {key!r} is not ASCII")
        return {key: _canonical_numbers(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [_canonical_numbers(item) for item in value]
    if kind is float:
        if value.is_integer():
            return _canonical_numbers(int(value))
        if not 1e-4 <= abs(value) < 1e16:
            raise ValueError(f"number {value!r} is outside the range of a key (0.0001 to 2**53)")
        return value
    raise ValueError(f"{value!r} is not plain data")


def digest_of(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of plain data, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def derive_seed(*parts: Any) -> int:
    """Derive a seed from plain data: equal parts give equal seeds on every machine; other parts, unrelated seeds.

    Returns:
        0 to 2**31 - 1.
    """
    return int(digest_of(["seed", *parts])[:8], 16) >> (32 - SEED_BITS)


def reproduction_key(key: str, number: int) -> str:
    """Return the key of an image that is made again; it differs, so that no release uses that image.

    Args:
        key: Key of the recipe.
        number: Counts the reproductions, from 1.
    """
    return hashlib.sha256(f"reproduction {number} of {key}".encode()).hexdigest()
