"""`imagemake alerts`: send a test message."""

from __future__ import annotations

import argparse
import sys

DESCRIPTION = """\
Sends a test message to every address in the environment variable IMAGEMAKE_ALERTS. Write Apprise addresses, separated
by spaces, such as mailto://user:password@host. To choose which messages a run sends, set alerts in config.yaml.
"""
EXAMPLES = """\
examples:
  set an address, and test it before the first long run
    export IMAGEMAKE_ALERTS="mailto://user:password@example.com"
    imagemake alerts
"""


def add_alerts_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake alerts`."""
    parser.set_defaults(run=run_alerts)


def run_alerts(_: argparse.Namespace) -> int:
    """Send a test message; return 1 if an address did not accept it."""
    from imagemake.core.problems import NotReadyError
    from imagemake.workflow.alerts import ADDRESSES, addresses, send_message

    if not addresses():
        raise NotReadyError(f"The environment variable {ADDRESSES} is empty.", "Set it, then run this command again.")
    failures = send_message("imagemake: a test", "imagemake sends messages about runs to this address.")
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{len(addresses()) - len(failures)} of {len(addresses())} addresses accepted the message.")
    return 1 if failures else 0
