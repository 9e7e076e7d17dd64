"""`imagemake alerts`: a test message to whoever is told of runs."""

from __future__ import annotations

import argparse
import sys

DESCRIPTION = """\
Sends a test message to every address in the environment variable IMAGEMAKE_ALERTS: addresses of Apprise, with spaces
between them, such as mailto://user:password@host. What is told of a run is set under alerts in config.yaml.
"""


def add_alerts_options(parser: argparse.ArgumentParser) -> None:
    """Say what `imagemake alerts` takes."""
    parser.set_defaults(run=run_alerts)


def run_alerts(_: argparse.Namespace) -> int:
    """Send it; 1 where an address did not take it."""
    from imagemake.core.problems import NotReadyError
    from imagemake.workflow.alerts import ADDRESSES, addresses, send_message

    if not addresses():
        raise NotReadyError(f"The environment variable {ADDRESSES} holds no address.", "Set it, and run this again.")
    failures = send_message("imagemake: a test", "Messages about runs come here.")
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{len(addresses()) - len(failures)} of {len(addresses())} addresses took the message.")
    return 1 if failures else 0
