"""The sections `more_models` and `model_rules`: which of several models makes each image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pydantic import Field, model_validator

from imagemake.config.fields import ColumnName, Section, Texts, Values
from imagemake.config.model import ModelSettings
from imagemake.config.workflow import Workflow
from imagemake.core.mistakes import mistake


class ModelRule(Section):
    """A rule that selects a model for some requests, or several in order of preference."""

    when: Mapping[ColumnName, Values] = Field(
        default_factory=dict,
        description="Values of columns and variables; a request that matches all of them uses the model. A list "
        "matches any of its values. Without it, a rule with several models applies to all requests.",
        examples=[{"category": ["mugs", "plates"]}],
    )
    model: Texts = Field(
        description="A label in more_models, or the name of another model on the main model's server. A list names "
        "several in order of preference: what one cannot make, refuses, or has no quota for goes to the next.",
        examples=["fast", ["gpt-image-2", "flux"]],
    )

    @model_validator(mode="after")
    def _says_when(self) -> ModelRule:
        if not self.when and len(self.model) == 1:
            raise mistake(
                "when is empty, so the rule would match every request.", "Set model instead, or fill in when."
            )
        return self


class Models(Protocol):
    """Anything with models: a campaign, or the sections that a job gets."""

    @property
    def model(self) -> ModelSettings:
        """The main model."""

    @property
    def more_models(self) -> Mapping[str, ModelSettings]:
        """Other models, by label."""


def settings_of(label: str, models: Models) -> ModelSettings:
    """Return the settings of a label: an entry of more_models, or that model on the main model's server."""
    if label in models.more_models:
        return models.more_models[label]
    own = models.model
    return own if label == own.name else own.model_copy(update={"name": label})


def workflows_of(models: Models) -> list[Workflow]:
    """Return the workflows of all models."""
    return [one.workflow for one in (models.model, *models.more_models.values()) if one.workflow is not None]


def as_in_model(model: object, more: object) -> object:
    """Fill what an entry of more_models leaves out from model, unless the entry names a provider or a preset.

    Args:
        model: The section as read, not validated yet.
        more: The section more_models as read.
    """
    if not isinstance(model, Mapping) or not isinstance(more, Mapping):
        return more
    return {
        label: {**model, **entry} if isinstance(entry, Mapping) and not {"provider", "preset"} & {*entry} else entry
        for label, entry in more.items()
    }
