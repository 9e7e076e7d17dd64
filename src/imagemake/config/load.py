"""Reads the configuration: the file, and for a run what Snakemake's options add to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imagemake.config.campaign import Campaign, load_campaign
from imagemake.config.fields import CONFIG
from imagemake.config.listings import with_listed_facts
from imagemake.config.yaml12 import read_yaml
from imagemake.config.yaml_text import YamlError
from imagemake.core.given_file import read_given
from imagemake.core.host_errors import reason_of
from imagemake.core.problems import Problem, UserError
from imagemake.core.secrets import shown


def read_campaign(path: Path) -> Campaign:
    """Read a campaign of the project in the working folder, with what its providers list about their models.

    Raises:
        UserError: If it is missing or contains mistakes.
    """
    return with_listed_facts(load_campaign(read_config(path), where=str(path)))


def read_config(path: Path) -> dict[str, Any]:
    """Read a configuration's keys without checking them.

    Raises:
        UserError: If the file is missing, or is not YAML with keys.
    """
    try:
        found = read_yaml(read_given(path))
    except FileNotFoundError as error:
        remedy = "Run this in the project's folder. To start a project there, run: imagemake init"
        raise UserError(Problem(str(path), f"{error.strerror}.", remedy)) from None
    except OSError as error:
        what, remedy = reason_of(error)
        raise UserError(Problem(str(path), f"{what}.", remedy)) from None
    except YamlError as error:
        raise UserError(Problem(error.place(str(path)), error.what, error.remedy)) from None
    if not isinstance(found, dict | None):
        raise UserError(Problem(str(path), f"it contains {shown(found)} instead of keys.", "Write `key: value`."))
    return found or {}


def run_config(files: Sequence[Path], values: Sequence[str], *, replaces: bool = False) -> dict[str, Any]:
    """Read the configuration of a run, as Snakemake would, but with the spelling of its numbers.

    Args:
        files: The files of ``--configfile``; each one adds to the one before, the first to `CONFIG`.
        values: The texts ``KEY=VALUE`` of ``--config``, which add to the files.
        replaces: Whether `files` and `values` replace `CONFIG`, as ``--replace-workflow-config`` says.

    Raises:
        UserError: If a file is missing, or is not YAML with keys.
    """
    own = Path(CONFIG)
    read = [] if replaces or (files and not own.exists()) else [own]
    config: dict[str, Any] = {}
    for path in (*read, *files):
        config = _updated(config, read_config(path))
    for text in values:
        key, _, value = text.partition("=")
        config = _updated(config, {key: _value(value)})
    return config


def _value(text: str) -> Any:
    try:
        return read_yaml(text)
    except YamlError:
        return text.strip("'\"")  # such as *_red


def _updated(config: Any, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with more keys. A mapping adds to the mapping before; any other value replaces what is there."""
    updated = dict(config) if isinstance(config, Mapping) else {}
    for key, value in more.items():
        updated[key] = _updated(updated.get(key), value) if isinstance(value, Mapping) else value
    return updated
