"""Where the workflow's own files are: in the installed package, or in the repository around it.

The wheel puts Snakefile, rules, scripts, environments, and profiles into this folder; in the repository, they are at
the top. A project's own Snakefile has `SNAKEFILE` as a module, so that upgrading the package upgrades the
workflow. (An included file could not set the default target.)
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["SNAKEFILE"]

_HERE = Path(__file__).resolve().parent

FOLDER = _HERE if (_HERE / "Snakefile").is_file() else _HERE.parents[2]
SNAKEFILE = str(FOLDER / "Snakefile")
"""Path of the workflow's Snakefile, as text, because `module` in a Snakefile requires text."""
SCRIPTS = FOLDER / "scripts"
PROFILES = FOLDER / "profiles"
