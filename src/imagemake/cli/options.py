"""Options that several commands have."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_store_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--store``."""
    parser.add_argument(
        "--store", metavar="FOLDER", type=Path, default=Path("store"), help="folder of the store; default: store"
    )


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=Path("config/config.yaml"),
        help="configuration file; default: config/config.yaml",
    )
