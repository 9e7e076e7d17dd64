"""From the facts about a model to how its server spells requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagemake.config.models.facts import ModelFacts

# Facts, and the fields of a provider's `Dialect` that they set.
_FIELDS = {
    "seed_field": "seed",
    "size_form": "size",
    "negative_field": "negative",
    "always_sent": "fixed",
    "reference_form": "references",
}


def spelling_of(facts: ModelFacts) -> Mapping[str, Any]:
    """Return the fields of `imagemake.plugins.providers.Dialect` that are known, by name."""
    known = {field: getattr(facts, fact) for fact, field in _FIELDS.items() if fact in facts.model_fields_set}
    return {field: value for field, value in known.items() if value is not None or field == "seed"}
