"""The sections of a campaign that a job needs, without secrets. The plan writes them to a file, and a rule names it.

A command line would be too short for thousands of values, and everybody on the machine can read it. The file is named
by its content, so that changed settings are a changed parameter of the rule.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from imagemake.core.files import set_folder_aside, write_whole
from imagemake.core.problems import NotReadyError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from imagemake.config.attempts import Attempts
    from imagemake.config.campaign import Campaign
    from imagemake.config.model import ModelSettings
    from imagemake.config.models import ModelFacts
    from imagemake.config.outputs import Postprocess
    from imagemake.config.remotes import SharedStore
    from imagemake.config.run import Alerts, Budget, Limits
    from imagemake.config.validation import Validation

# Where the type of each section is, and how many levels of mappings are around it.
_TYPES = {
    "model": ("model", "ModelSettings", 0),
    "more_models": ("model", "ModelSettings", 1),
    "models": ("models", "ModelFacts", 2),
    "budget_usd": ("run", "Budget", 0),
    "limits": ("run", "Limits", 0),
    "store": ("remotes", "SharedStore", 0),
    "alerts": ("run", "Alerts", 0),
    "validation": ("validation", "Validation", 0),
    "attempts": ("attempts", "Attempts", 0),
    "postprocess": ("outputs", "Postprocess", 0),
}
SECTIONS = ("campaign", *_TYPES)  # those that a job can get


class JobSettings:
    """Some sections of a campaign; a job gets only those that it needs.

    A section is read at its first use, and its types are imported then: that takes longer than starting Python.

    Args:
        sections: The sections by name, as plain data. Those that are left out have their defaults.

    Raises:
        TypeError: If jobs have no section of that name.
    """

    campaign: str
    model: ModelSettings
    more_models: Mapping[str, ModelSettings]
    models: Mapping[str, Mapping[str, ModelFacts]]
    budget_usd: Budget
    limits: Limits
    store: SharedStore
    alerts: Alerts
    validation: Validation
    attempts: Attempts
    postprocess: Postprocess

    def __init__(self, sections: Mapping[str, Any]) -> None:
        if unknown := sections.keys() - set(SECTIONS):
            raise TypeError(f"jobs have no section {', '.join(sorted(unknown))}")
        self._sections = sections
        self.campaign = sections.get("campaign", "")

    def __getattr__(self, name: str) -> Any:
        if name not in _TYPES:
            raise AttributeError(name)
        module, kind, depth = _TYPES[name]
        section = _read(getattr(import_module(f"imagemake.config.{module}"), kind), self._sections.get(name, {}), depth)
        setattr(self, name, section)
        return section

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
        return cls(orjson.loads(text))


def _read(kind: type[BaseModel], plain: Mapping[str, Any], depth: int) -> Any:
    if depth:
        return {name: _read(kind, value, depth - 1) for name, value in plain.items()}
    return kind.model_validate_json(orjson.dumps(plain))


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

    @property
    def paths(self) -> list[Path]:
        """The files whose paths were asked for."""
        return list(self._texts)

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
