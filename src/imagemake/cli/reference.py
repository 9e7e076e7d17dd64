"""`imagemake reference`: write the reference of the configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
Writes the reference page of config.yaml (config/README.md) and its JSON schema (config/schema.json). Both come from
the types in src/imagemake/config/. Run this command after you change these types.
"""


def add_reference_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake reference`."""
    parser.add_argument(
        "--folder", type=Path, default=Path("config"), help="where to write both files; default: config"
    )
    parser.set_defaults(run=run_reference)


def run_reference(options: argparse.Namespace) -> int:
    """Write both files."""
    from imagemake.cli.config_reference import write_reference

    write_reference(options.folder)
    return 0
