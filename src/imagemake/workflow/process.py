"""The environment of jobs: the same interpreter and package that Snakemake uses."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from imagemake.store.whole.shared_work import VARIABLE
from imagemake.workflow.forked_script import ADDRESS

# Looking for them takes a tenth of the time that starting a job takes. A value that is set stays.
_WITHOUT_PYDANTIC_PLUGINS = 'PYDANTIC_DISABLE_PLUGINS="${PYDANTIC_DISABLE_PLUGINS-__all__}"'


def use_this_python() -> None:
    """Let jobs use the interpreter that runs Snakemake, even if its environment is not activated."""
    os.environ.pop(ADDRESS, None)  # of a run whose rule started this one, perhaps in another environment
    own = str(Path(sys.executable).parent)
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if folders[0] != own:
        os.environ["PATH"] = os.pathsep.join([own, *folders])


def job_prefix(scripts: Path, work_address: str | None = None) -> str:
    """Return what Snakemake puts before the command of each job, as a format string.

    It replaces Snakemake's strict mode, so it sets that again. The conda environments of the stages do not contain this
    package, so PYTHONPATH names it. The user's own entries follow, so that jobs find the same plug-ins as the plan.

    Args:
        scripts: The folder of the jobs' scripts, which commands know as IMAGEMAKE_SCRIPTS.
        work_address: Where jobs that share no disk find ``work/``; None if they share one.
    """
    entries = [str(_folder_of_package()), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    path = shlex.quote(os.pathsep.join(dict.fromkeys(entries)))
    exports = f"export PYTHONPATH={path} IMAGEMAKE_SCRIPTS={shlex.quote(str(scripts))} {_WITHOUT_PYDANTIC_PLUGINS}; "
    if work_address is not None:
        exports += f"export {VARIABLE}={shlex.quote(work_address)}; "
    return "set -euo pipefail; " + exports.replace("{", "{{").replace("}", "}}")


def _folder_of_package() -> Path:
    """Return a folder with this package and little else: a conda environment must not see the rest of our own."""
    package = Path(__file__).resolve().parents[1]
    if not list(package.parent.glob("*.dist-info")):
        return package.parent
    folder = Path(".snakemake", "imagemake").absolute()
    link = folder / package.name
    if not link.exists() or not link.samefile(package):
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / f".{os.getpid()}"
        new.symlink_to(package, target_is_directory=True)
        new.replace(link)
    return folder
