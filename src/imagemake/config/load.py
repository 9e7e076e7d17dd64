"""Reads the configuration for commands; Snakemake reads it itself for a run."""

from __future__ import annotations

from pathlib import Path

from imagemake.config.campaign import Campaign, load_campaign
from imagemake.core.problems import Problem, UserError


def read_campaign(path: Path) -> Campaign:
    """Read a campaign.

    Raises:
        UserError: If it is missing or contains mistakes.
    """
    import yaml

    try:
        return load_campaign(yaml.safe_load(path.read_bytes()) or {}, where=str(path))
    except OSError as error:
        remedy = "Run this in the folder of the Snakefile."
        raise UserError(Problem(str(path), f"{error.strerror}", remedy)) from None
    except yaml.YAMLError as error:
        raise UserError(Problem(str(path), f"invalid YAML: {error}", "Correct it.")) from None
