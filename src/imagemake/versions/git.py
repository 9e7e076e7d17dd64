"""Calls to git that a release makes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from imagemake.core.problems import Problem, UserError

OPERATIONS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


class Git:
    """git in one project.

    Args:
        root: The project's folder, which may be part of a larger repository.
    """

    def __init__(self, root: Path = Path()) -> None:
        self._root = root

    def is_there(self) -> bool:
        """Return whether git is installed and the project is in a git repository."""
        try:
            return self._ask("rev-parse", "--is-inside-work-tree").strip() == "true"
        except OSError:
            return False

    def has_commit(self) -> bool:
        """Return whether the repository has a commit."""
        return bool(self._ask("rev-parse", "--verify", "--quiet", "HEAD"))

    def operation(self) -> str | None:
        """Return the unfinished operation, such as ``MERGE_HEAD``; None if there is none."""
        paths = (self._ask("rev-parse", "--git-path", name).strip() for name in OPERATIONS)
        return next((name for name, path in zip(OPERATIONS, paths, strict=True) if (self._root / path).exists()), None)

    def changed(self) -> list[str]:
        """Return the paths of changed and new files, relative to the project's folder."""
        prefix = self._ask("rev-parse", "--show-prefix").strip()
        status = self._ask("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--", ".")
        return [entry[3:].removeprefix(prefix) for entry in status.split("\0") if entry]

    def committed(self, folder: Path) -> list[str]:
        """Return the paths in a folder that the last commit contains."""
        if not self.has_commit():
            return []
        return [
            path for path in self._ask("ls-tree", "-r", "-z", "--name-only", "HEAD", str(folder)).split("\0") if path
        ]

    def has_tag(self, name: str) -> bool:
        """Return whether a tag exists."""
        return bool(self._ask("rev-parse", "--verify", "--quiet", f"refs/tags/{name}"))

    def content(self, revision: str, path: Path) -> bytes | None:
        """Return a file's content in a revision; None if the revision has no such file."""
        done = self._run("show", f"{revision}:./{path}")
        return done.stdout if done.returncode == 0 else None

    def commit(self, paths: Iterable[Path], message: str) -> bool:
        """Commit some files, including ignored ones, and nothing else.

        Returns:
            Whether there was anything to commit.

        Raises:
            UserError: If git fails. Nothing is committed.
        """
        names = [str(path) for path in paths if (self._root / path).exists()]
        self._do("add", "--force", "--", *names)
        if self._run("diff", "--cached", "--quiet", "--", *names).returncode == 0:
            return False
        self._do("commit", "--quiet", "--message", message, "--", *names)
        return True

    def tag(self, name: str, message: str) -> None:
        """Create an annotated tag at the last commit.

        Raises:
            UserError: If git fails.
        """
        self._do("tag", "--annotate", name, "--message", message)

    def push(self) -> None:
        """Push the branch and its annotated tags.

        Raises:
            UserError: If git fails.
        """
        self._do("push", "--quiet", "--follow-tags")

    def _do(self, *command: str) -> None:
        done = self._run(*command)
        if done.returncode:
            message = (done.stderr or done.stdout).decode(errors="replace").strip()
            remedy = "Follow git's advice, and run the same command again."
            raise UserError(Problem(f"git {command[0]}", f"git failed: {message}", remedy))

    def _ask(self, *command: str) -> str:
        done = self._run(*command)
        return done.stdout.decode(errors="surrogateescape") if done.returncode == 0 else ""

    def _run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        whole: Sequence[str] = ("git", "-c", "core.quotePath=false", *command)
        return subprocess.run(whole, cwd=self._root, capture_output=True, check=False)  # noqa: S603  no user input
