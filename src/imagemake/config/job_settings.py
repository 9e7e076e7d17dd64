"""The sections of a campaign that a job needs, without secrets. The plan writes them to a file, and a rule names it.

A command line would be too short for thousands of values, and everybody on the machine can read it. The file is named
by its content, so that changed settings are a changed parameter of the rule.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import ConfigDict, Field

from imagemake.config.attempts import Attempts
from imagemake.config.campaign import Campaign
from imagemake.config.fields import Section
from imagemake.config.model import ModelSettings
from imagemake.config.models import ModelFacts
from imagemake.config.outputs import Postprocess
from imagemake.config.remotes import SharedStore
from imagemake.config.run import Alerts, Budget, Limits
from imagemake.config.validation import Validation
from imagemake.core.files import set_folder_aside, write_whole
from imagemake.core.problems import NotReadyError


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
    attempts: Attempts = Field(default_factory=Attempts)
    postprocess: Postprocess = Field(default_factory=Postprocess)

    @classmethod
    def read(cls, path: Path) -> JobSettings:
        """Read the file of a job.

        Raises:
            NotReadyError: If it is missing or damaged.
        """
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            remedy = "Run snakemake again: the configuration changed during the run, or work/ was deleted."
            raise NotReadyError(f"{path}: these settings of the job are missing.", remedy) from None
        if path.name != name_of(text):
            what = f"{path}: these settings of the job do not match the file's name."
            raise NotReadyError(what, "Run snakemake again, which writes the file anew.")
        return cls.model_validate_json(text)


class JobSettingsFiles:
    """The files that a plan writes for its jobs.

    Args:
        campaign: The campaign.
        folder: Where the files are; jobs on other machines see it too.
    """

    def __init__(self, campaign: Campaign, folder: Path) -> None:
        self._campaign = campaign
        self._folder = folder
        self._texts: dict[Path, bytes] = {}

    def path_of(self, *names: str) -> str:
        """Return the path of a file with some sections of the campaign. `write` writes it."""
        text = job_settings_json(self._campaign, *names).encode()
        path = self._folder / name_of(text)
        self._texts[path] = text
        return str(path)

    def write(self) -> None:
        """Write the files whose paths were asked for."""
        for path, text in self._texts.items():
            set_folder_aside(path)
            write_whole(path, text)


def job_settings_json(campaign: Campaign, *names: str) -> str:
    """Return some sections of a campaign as JSON."""
    # Only what was set: for a model's facts, unset differs from null.
    return campaign.model_dump_json(include=set(names), exclude_unset=True)


def name_of(text: bytes) -> str:
    """Return the name of the file with some settings."""
    return f"{hashlib.sha256(text).hexdigest()[:16]}.json"
