"""DVC, as far as we ask it for something: it keeps the bytes that git should not.

Store and images are tracked by files of their own (``store.dvc``, ``results/images.dvc``), never as outputs of a
stage: DVC deletes the outputs of a stage before it runs, or copies them where ``persist`` keeps them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from imagemake.core.problems import Problem, UserError
from imagemake.release.record import FILES, RECORD, RESULTS, SHEETS

MANIFEST = str(RESULTS / "manifest.csv")
STAGE_AT_WORK = "DVC_STAGE"  # which DVC sets for the command of a stage
HELP = "docs/versions.md tells how a project is set up; nothing was lost, and the same command goes on."


class Dvc:
    """DVC in one project.

    Args:
        root: The project's folder.
    """

    def __init__(self, root: Path = Path()) -> None:
        self._root = root

    def is_there(self) -> bool:
        """Say whether the project uses DVC."""
        return (self._root / ".dvc").is_dir()

    def build_stage(self) -> str | None:
        """Return the stage of dvc.yaml that builds the release; None where there is none."""
        try:
            stages = yaml.safe_load((self._root / "dvc.yaml").read_bytes())["stages"]
        except (OSError, yaml.YAMLError, TypeError, KeyError):
            return None
        return next((name for name, stage in stages.items() if MANIFEST in _paths(stage.get("outs", ()))), None)

    def track(self, *more: Path) -> list[Path]:
        """Put store, images and tables under DVC's care, as they are now.

        Args:
            more: Other files to track.

        Returns:
            The files by which DVC knows them, which are git's.

        Raises:
            UserError: If DVC does not take them; its own words are on standard error.
        """
        folders = [RESULTS / name for name in ("images", SHEETS)]
        wanted = [Path("store"), *folders, *more]
        stage = self.build_stage()
        if stage is None:  # nobody else tracks the tables
            wanted += [RESULTS / name for name in (*FILES, RECORD) if name != "metrics.json"]
        for folder in folders:  # one that is gone must not come back with the next pull
            if not (self._root / folder).exists():
                (self._root / folder.with_name(f"{folder.name}.dvc")).unlink(missing_ok=True)
        there = [path for path in wanted if (self._root / path).exists()]
        self.run("add", *map(str, there))
        if stage is not None and STAGE_AT_WORK not in os.environ:  # `dvc repro` has just done it
            self.run("commit", "--force", stage)
        return [*(path.with_name(f"{path.name}.dvc") for path in there), *([Path("dvc.lock")] if stage else [])]

    def run(self, *command: str) -> None:
        """Run one of DVC's commands; it shows how far it is where somebody looks.

        Raises:
            UserError: If it fails.
        """
        quiet = () if sys.stderr.isatty() else ("--quiet",)
        whole = [sys.executable, "-m", "dvc", *command, *quiet]
        done = subprocess.run(whole, cwd=self._root, stdout=subprocess.DEVNULL, check=False)  # noqa: S603  our own words
        if done.returncode:
            raise UserError(Problem(f"dvc {' '.join(command)}", "it failed, see above.", HELP))


def _paths(outs: Iterable[object]) -> list[str]:
    return [str(next(iter(out))) if isinstance(out, dict) else str(out) for out in outs]
