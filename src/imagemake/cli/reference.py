"""`imagemake reference`: the pages about the configuration, from its types."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
Writes the reference page and the JSON schema of config.yaml, config/README.md and config/schema.json, from its types.
"""


def add_reference_options(parser: argparse.ArgumentParser) -> None:
    """Say what `imagemake reference` takes."""
    parser.add_argument("--folder", type=Path, default=Path("config"), help="default: config")
    parser.set_defaults(run=run_reference)


def run_reference(options: argparse.Namespace) -> int:
    """Write both."""
    from imagemake.cli.config_reference import write_reference

    write_reference(options.folder)
    return 0
