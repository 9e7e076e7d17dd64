"""Calls to git that a release makes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from imagemake.core.problems import NotReadyError
from imagemake.versions.program import failure_of, last_words

OPERATIONS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


class Git:
    """git in one project.

    Args:
        root: The project's folder, which may be part of a larger repository.
    """

    def __init__(self, root: Path = Path()) -> None:
        self._root = root

    def obstacle(self) -> str | None:
        """Return why git has no repository for the project, in git's own words; None if there is one."""
        try:
            done = self._run("rev-parse", "--is-inside-work-tree")
        except FileNotFoundError:
            return "git is not installed"
        if done.returncode == 0:
            return None if done.stdout.strip() == b"true" else "this folder is not in a working tree"
        return last_words(done.stderr)

    def is_there(self) -> bool:
        """Return whether git is installed and the project is in a git repository."""
        return self.obstacle() is None

    def start(self) -> None:
        """Create a repository in the project's folder.

        Raises:
            NotReadyError: If git is not installed or fails.
        """
        try:
            self._do("init", "--quiet")
        except FileNotFoundError:
            raise NotReadyError("git is not installed", "Install it, such as with: apt install git") from None

    def has_commit(self) -> bool:
        """Return whether the repository has a commit."""
        return bool(self._ask("rev-parse", "--verify", "--quiet", "HEAD"))

    def operation(self) -> str | None:
        """Return the unfinished operation, such as ``MERGE_HEAD``; None if there is none."""
        paths = (self._ask("rev-parse", "--git-path", name).strip() for name in OPERATIONS)
        return next((name for name, path in zip(OPERATIONS, paths, strict=True) if (self._root / path).exists()), None)

    def changed(self) -> list[str]:
        """Return the paths of changed and new files, relative to the project's folder.

        Raises:
            NotReadyError: If git fails.
        """
        prefix = self._ask("rev-parse", "--show-prefix").strip()
        listed = self._do("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--", ".")
        status = listed.decode(errors="surrogateescape")
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
        """Commit some files, including ignored and deleted ones, and nothing else.

        Returns:
            Whether there was anything to commit.

        Raises:
            NotReadyError: If git fails. Nothing is committed.
        """
        deleted = set(self._ask("ls-files", "--deleted", "-z").split("\0"))
        names = [str(path) for path in paths if (self._root / path).exists() or str(path) in deleted]
        self._do("add", "--force", "--", *names)
        if self._run("diff", "--cached", "--quiet", "--", *names).returncode == 0:
            return False
        self._do("commit", "--quiet", "--message", message, "--", *names)
        return True

    def tag(self, name: str, message: str) -> None:
        """Create an annotated tag at the last commit.

        Raises:
            NotReadyError: If git fails.
        """
        self._do("tag", "--annotate", name, "--message", message)

    def push(self) -> None:
        """Push the branch and its annotated tags.

        Raises:
            NotReadyError: If git fails.
        """
        self._do("push", "--quiet", "--follow-tags")

    def _do(self, *command: str) -> bytes:
        done = self._run(*command)
        if done.returncode:
            remedy = "Follow git's advice, and run the same command again."
            raise failure_of(f"git {command[0]}", done.returncode, done.stderr or done.stdout, remedy)
        return done.stdout

    def _ask(self, *command: str) -> str:
        done = self._run(*command)
        return done.stdout.decode(errors="surrogateescape") if done.returncode == 0 else ""

    def _run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        whole: Sequence[str] = ("git", "-c", "core.quotePath=false", *command)
        return subprocess.run(whole, cwd=self._root, capture_output=True, check=False)  # noqa: S603  no user input
