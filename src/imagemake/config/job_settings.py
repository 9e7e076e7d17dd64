"""The sections of a campaign that a job needs, passed by its rule as a JSON parameter without secrets."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from imagemake.config.campaign import Campaign
from imagemake.config.fields import Section
from imagemake.config.model import ModelSettings
from imagemake.config.models import ModelFacts
from imagemake.config.outputs import Postprocess
from imagemake.config.remotes import SharedStore
from imagemake.config.run import Alerts, Budget, Limits
from imagemake.config.validation import Validation


class JobSettings(Section):
    """Some sections of a campaign; a job gets only those that it needs."""

    model_config = ConfigDict(strict=False)

    campaign: str = ""
    model: ModelSettings = Field(default_factory=ModelSettings)
    more_models: dict[str, ModelSettings] = Field(default_factory=dict)
    models: dict[str, dict[str, ModelFacts]] = Field(default_factory=dict)
    budget_usd: Budget = Field(default_factory=Budget)
    limits: Limits = Field(default_factory=Limits)
    store: SharedStore = Field(default_factory=SharedStore)
    alerts: Alerts = Field(default_factory=Alerts)
    validation: Validation = Field(default_factory=Validation)
    postprocess: Postprocess = Field(default_factory=Postprocess)


def job_settings_json(campaign: Campaign, *names: str) -> str:
    """Return some sections of a campaign as a rule's parameter."""
    # Only what was set: for a model's facts, unset differs from null.
    return campaign.model_dump_json(include=set(names), exclude_unset=True)
