"""`imagemake doctor`: check a project and this machine before a run."""

from __future__ import annotations

import argparse

DESCRIPTION = """\
Checks what a run needs, without making an image or spending anything: the configuration and the catalog; the key and
the model at each provider, by a call that costs nothing, if the provider has one; the packages that the campaign uses;
disk, clock, git, DVC, and storage. Each line says ok, gives a note, or says what to fix and how.

Exit status: 0 if there is nothing to fix, otherwise 3.
"""
EXAMPLES = """\
examples:
  check everything before the first real run
    imagemake doctor
  check only what this machine can tell
    imagemake doctor --offline
"""


def add_doctor_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake doctor`."""
    parser.add_argument("--offline", action="store_true", help="contact no server and no storage")
    parser.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from imagemake.cli.checkup import Verdict, findings
    from imagemake.core.errors import ExitCode
    from imagemake.core.known_secrets import redacted

    n_fixes = 0
    for finding in findings(offline=options.offline):
        print(redacted(str(finding)), flush=True)
        n_fixes += finding.verdict is Verdict.FIX
    if n_fixes:
        print(f"\n{n_fixes} to fix.")
        return ExitCode.NOT_READY
    print("\nReady: snakemake -n shows what a run would make, and at what cost.")
    return ExitCode.OK
