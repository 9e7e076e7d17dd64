"""How a run on Slurm notices that its jobs have ended.

Snakemake's plug-in for Slurm asks ``sacct`` wherever that program is installed. Without accounting records, ``sacct``
only fails, and the plug-in asks again for ever. ``squeue`` knows an ended job too, for ``MinJobAge`` seconds, or for
good if that is 0.
"""

from __future__ import annotations

import re
import subprocess
from importlib import import_module
from typing import Any

from imagemake.core.problems import Problem, UserError

PLUGIN = "snakemake_executor_plugin_slurm"
ANSWER_S = 60
LONGEST_PAUSE_S = 180  # between two questions of the plug-in
FIRST_PAUSES = 3  # with a MinJobAge below this many first pauses, the plug-in does not use squeue


def ask_who_knows(settings: Any) -> None:
    """Let the plug-in ask ``squeue`` where ``sacct`` knows nothing.

    Args:
        settings: The plug-in's settings, which are changed.

    Raises:
        UserError: If ``squeue`` forgets jobs before the plug-in asks.
    """
    if _answer("sacct", "--noheader", "--allocations", "--format=JobIDRaw", "--name=imagemake") is not None:
        return
    age_s = _job_age_s()
    needed_s = max(LONGEST_PAUSE_S, FIRST_PAUSES * settings.init_seconds_before_status_checks)
    if age_s == 0:  # the plug-in takes it for no time at all
        import_module(PLUGIN).get_min_job_age = lambda: needed_s  # type: ignore[attr-defined]  # a module has no fields
    elif age_s is not None and age_s < needed_s:
        what = (
            f"this cluster keeps no accounting records (sacct fails) and forgets an ended job after {age_s} s "
            f"(MinJobAge); a run asks up to {needed_s} s later and would wait for ever."
        )
        remedy = f"Ask its administrators for MinJobAge={max(300, needed_s)} in slurm.conf; Slurm's default is 300."
        raise UserError(Problem("Slurm", what, remedy))
    settings.status_command = "squeue"


def _job_age_s() -> int | None:
    found = re.search(r"^MinJobAge\s*=\s*(\d+)", _answer("scontrol", "show", "config") or "", re.MULTILINE)
    return int(found[1]) if found else None


def _answer(*command: str) -> str | None:
    """Return what a command prints; None if it fails or is not installed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
