"""Writes the files of a new project, from `starters/` and from the workflow's own profile."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from imagemake.config.fields import CONFIG
from imagemake.core.files import write_whole
from imagemake.core.problems import Problem, UserError
from imagemake.store.layout import STORE
from imagemake.versions.dvc import Dvc
from imagemake.versions.git import Git
from imagemake.workflow.installed import FOLDER, PROFILES

_STARTERS = Path(__file__).parent / "starters"
_SNAKEFILE = """\
# The workflow of the installed package, so upgrading the package upgrades it.
from imagemake.workflow.installed import SNAKEFILE


module imagemake:
    snakefile:
        SNAKEFILE


use rule * from imagemake
"""
_GITIGNORE = """\
# What imagemake builds. The store holds what you paid for: track it with DVC, or back it up.
/.snakemake/
/work/
/store/**
!/store/*/
!/store/**/*.dvc
/logs/
/results/?*
!/results/*.dvc
!/results/metrics.json
/dvc_plots/
"""
KEYS = {
    "preview": None,
    "openai": "OPENAI_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "fal": "FAL_KEY",
    "bfl": "BFL_API_KEY",
    "replicate": "REPLICATE_API_TOKEN",
    "dashscope": "DASHSCOPE_API_KEY",
    "comfyui": None,
    "together": "TOGETHER_API_KEY",
    "diffusers": None,
}  # the files in starters/providers, and the variable that each model reads
_NOT_IN_PROJECTS = ("rules", "scripts", "src")  # what the stage of our own repository depends on


def write_project(
    folder: Path, starter: str, provider: str, *, store: Path | None = None, with_dvc: bool = False
) -> Iterator[str]:
    """Write the files that a project lacks, and yield a line about each, then the next commands.

    Args:
        folder: The project's folder; it need not exist.
        starter: Name of a folder in `starters/`.
        provider: Name of a file in `starters/providers/`.
        store: A store to link to; None for one of the project's own.
        with_dvc: Whether to add dvc.yaml and .gitattributes, and to set up git and DVC.

    Raises:
        UserError: If the folder cannot be written.
        NotReadyError: If git or DVC is missing or fails.
    """
    try:
        has_campaign = os.path.lexists(folder / CONFIG)
        for name, text in _files(starter, provider, with_dvc=with_dvc).items():
            if name == CONFIG or not (has_campaign and name.startswith("config/")):  # it names a catalog of its own
                yield _written(folder / name, text)
        if store is not None:
            yield _linked(folder / STORE, store)
    except OSError as error:
        remedy = "Choose another folder, or make this one writable."
        raise UserError(Problem(str(error.filename or folder), f"{error.strerror}.", remedy)) from None
    if with_dvc:
        if not Git(folder).is_there():
            Git(folder).start()
            yield "set up git"
        if not Dvc(folder).is_there():
            Dvc(folder).start()
            yield "set up DVC"
    yield from _next_commands(folder, provider)


def _files(starter: str, provider: str, *, with_dvc: bool) -> Mapping[str, str]:
    model = _text(_STARTERS / "providers" / f"{provider}.yaml")
    files = {
        CONFIG: _text(_STARTERS / starter / "config.yaml").replace("{model}\n", model),
        "config/catalog.csv": _text(_STARTERS / starter / "catalog.csv"),
        "Snakefile": _SNAKEFILE,
        "profiles/default/config.yaml": _text(PROFILES / "default" / "config.yaml"),
        ".gitignore": _GITIGNORE,
        ".dvcignore": _text(FOLDER / ".dvcignore"),
    }
    workflow = _STARTERS / "providers" / f"{provider}.json"
    if workflow.is_file():
        files["config/workflow.json"] = _text(workflow)
    if with_dvc:
        files[".gitattributes"] = _text(FOLDER / ".gitattributes")
        lines = _text(FOLDER / "dvc.yaml").splitlines(keepends=True)
        files["dvc.yaml"] = "".join(line for line in lines if line.strip(" -\n") not in _NOT_IN_PROJECTS)
    return files


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _written(path: Path, text: str) -> str:
    if os.path.lexists(path):
        return f"kept {path}"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())
    return f"wrote {path}"


def _linked(link: Path, store: Path) -> str:
    if os.path.lexists(link):
        return f"kept {link}"
    store.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(store.resolve(), link.parent.resolve()), target_is_directory=True)
    return f"linked {link} to {store}"


def _next_commands(folder: Path, provider: str) -> Iterator[str]:
    # Without an activated environment, the shell finds no `snakemake`, or one that has no imagemake.
    own = Path(sys.executable).parent / "snakemake"
    found = shutil.which("snakemake")
    snakemake = "snakemake" if found and Path(found).resolve() == own.resolve() else shlex.quote(str(own))
    yield ""
    yield "Next:"
    if folder.resolve() != Path.cwd():
        yield f"  cd {shlex.quote(str(folder))}"
    if key := KEYS[provider]:
        yield f"  export {key}=…"
    yield f"  {snakemake} -n       # what would be made, and at what cost"
    yield f"  {snakemake} pilot    # makes a sample: see results/pilot/index.html"
