"""Calls to DVC, which tracks the files that are too large for git.

Store and images have separate files (``store.dvc``, ``results/images.dvc``) and are never outputs of a stage: DVC
deletes the outputs of a stage before it runs, or copies them if ``persist`` keeps them.

DVC keeps a list of a folder's files for each version of it, 200 bytes per file. So the folders of a large store have
files of their own (``store/raw/0.dvc``), and a version has lists only of those that changed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import yaml

from imagemake.core.problems import NotReadyError
from imagemake.release.record import FILES, RECORD
from imagemake.store.layout import EXPORTS, IMAGES, PAGE_PARTS, RESULTS, SHEETS, STORE
from imagemake.store.store import Store, subfolders
from imagemake.versions.program import failure_of, run_aloud
from imagemake.versions.tracked import TrackedFolders, dvc_file

MANIFEST = str(RESULTS / "manifest.csv")
RUNNING_STAGE = "DVC_STAGE"  # environment variable that DVC sets for the command of a stage
INSTALL = "pip install 'imagemake[dvc]'"
HELP = "Nothing was lost. Fix the cause, and run the same command again. To set DVC up, run: imagemake init --dvc"

LARGE = 10_000  # files of a store whose folders are tracked apart
OF_THIS_MACHINE = ("claims", "open", "submissions", "damaged", "unshared")  # in the store; .dvcignore has the same

_SHARDED = (STORE / "raw", STORE / "finished")

BRACES = "DVC fails if the path of its cache has braces: move the cache with `dvc cache dir --local FOLDER`."


class Dvc:
    """DVC in one project.

    Args:
        root: The project's folder.
    """

    def __init__(self, root: Path = Path()) -> None:
        self._root = root

    def is_there(self) -> bool:
        """Return whether the project uses DVC."""
        return (self._root / ".dvc").is_dir()

    def start(self) -> None:
        """Set up DVC in the project's folder, which may be part of a larger git repository.

        Raises:
            NotReadyError: If DVC fails.
        """
        is_top = (self._root / ".git").exists()
        self.run("init", "--quiet", *([] if is_top else ["--subdir"]))

    def build_stage(self) -> str | None:
        """Return the stage of dvc.yaml that builds the results; None if there is none."""
        try:
            stages = yaml.safe_load((self._root / "dvc.yaml").read_bytes())["stages"]
        except (OSError, yaml.YAMLError, TypeError, KeyError):
            return None
        return next((name for name, stage in stages.items() if MANIFEST in _paths(stage.get("outs", ()))), None)

    def track(self, *more: Path) -> list[Path]:
        """Track the current store, images, and tables with DVC.

        Args:
            more: Other files to track.

        Returns:
            The ``.dvc`` files, also those that are deleted now, and ``dvc.lock``: what changes in git.

        Raises:
            NotReadyError: If DVC fails; the message shows what DVC said.
        """
        require_dvc()
        folders = [RESULTS / name for name in (IMAGES, SHEETS, EXPORTS, PAGE_PARTS)]
        paths = [*self._of_store(), *folders, *more]
        stage = self.build_stage()
        if stage is None:  # otherwise the stage tracks the tables
            paths += [RESULTS / name for name in (*FILES, RECORD) if name != "metrics.json"]
        for folder in folders:  # the next pull must not restore a deleted folder
            if not (self._root / folder).exists():
                (self._root / dvc_file(folder)).unlink(missing_ok=True)
        existing = [path for path in paths if (self._root / path).exists()]
        of_images = [path for path in existing if path == RESULTS / IMAGES or path.parent in _SHARDED]
        tracked = TrackedFolders(self._root)
        changed = tracked.changed(of_images)
        due = [path for path in existing if path in changed or path not in of_images]
        if due:
            self.run("add", *map(str, due))
        tracked.note(changed)
        if stage is not None and RUNNING_STAGE not in os.environ:  # `dvc repro` commits the stage itself
            self.run("commit", "--force", stage)
        return [*map(dvc_file, dict.fromkeys((*paths, STORE))), *([Path("dvc.lock")] if stage else [])]

    def _of_store(self) -> list[Path]:
        """Return the folders of the store that have a ``.dvc`` file each; a store that was large once stays apart."""
        store = Store(self._root / STORE)
        sharded = (store.raw, store.finished)
        n_files = sum(1 for content_store in sharded for _ in content_store.all())
        if n_files <= LARGE and not any(self._root.glob(f"{STORE}/*/*.dvc")):
            return [STORE]
        if (self._root / dvc_file(STORE)).exists():
            self.run("remove", str(dvc_file(STORE)))
        split = [content_store.folder for content_store in sharded]
        found = [folder for kind in split for folder in subfolders(kind)]
        found += [one for one in subfolders(store.root) if one not in split and one.name not in OF_THIS_MACHINE]
        return sorted(path.relative_to(self._root) for path in found)

    def run(self, *command: str) -> None:
        """Run a DVC command, and show its progress.

        Raises:
            NotReadyError: If DVC is not installed or fails; the message shows what DVC said.
            InterruptedByUserError: After Ctrl-C.
        """
        require_dvc()
        columns = str(shutil.get_terminal_size().columns)
        environment = {**os.environ, "DVC_IGNORE_ISATTY": "1", "COLUMNS": columns}
        # Without --quiet, which silences errors too.
        status, said = run_aloud(f"dvc {command[0]}", [sys.executable, "-m", "dvc", *command], self._root, environment)
        if status:
            remedy = f"{BRACES} {HELP}" if "{" in str(self._root.absolute()) else HELP
            raise failure_of(f"dvc {' '.join(command)}", status, said, remedy)


def require_dvc() -> None:
    """Raise an error with the command that installs DVC, if it is not installed.

    Raises:
        NotReadyError: If it is not installed.
    """
    if find_spec("dvc") is None:
        raise NotReadyError("DVC is not installed", f"Run: {INSTALL}")


def _paths(outs: Iterable[object]) -> list[str]:
    return [str(next(iter(out))) if isinstance(out, dict) else str(out) for out in outs]
