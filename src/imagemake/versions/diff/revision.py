"""Reads files at a commit: from git, or from DVC's cache or remote."""

from __future__ import annotations

import subprocess
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from imagemake.versions.diff.trees import is_inside
from imagemake.versions.dvc import require_dvc

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


class Repository:
    """The git repository of a project.

    Args:
        project: The project's folder, which is the repository's root or a folder in it.
    """

    def __init__(self, project: Path) -> None:
        self.project = project

    def ask(self, *arguments: str) -> str | None:
        """Return the output of a git command; None if it fails or git is not installed."""
        command = ["git", "-C", str(self.project), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - no shell
        except FileNotFoundError:
            return None
        return done.stdout.decode(errors="surrogateescape").rstrip("\n") if done.returncode == 0 else None

    @cached_property
    def root(self) -> Path | None:
        """The repository's root; None if there is no repository."""
        top = self.ask("rev-parse", "--show-toplevel")
        return Path(top) if top else None

    @cached_property
    def prefix(self) -> str:
        """The project's folder within the repository: empty, or ending in ``/``."""
        return self.ask("rev-parse", "--show-prefix") or ""

    def commit_of(self, revision: str) -> str | None:
        """Return the full ID of the commit that a tag, branch, or ID refers to; None if there is none."""
        return self.ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")

    def tags_at(self, commit: str) -> list[str]:
        """Return the tags of a commit."""
        return (self.ask("tag", "--points-at", commit) or "").splitlines()

    def tags(self) -> list[str]:
        """Return all tags, newest first."""
        return (self.ask("tag", "--sort=-creatordate") or "").splitlines()

    def folders_at(self, commit: str, folder: str) -> list[str]:
        """Return the names in a folder of the project at a commit."""
        listed = self.ask("ls-tree", "--name-only", commit, "--", f"{folder}/")
        return [line.rpartition("/")[2] for line in (listed or "").splitlines()]


class Revision:
    """A project's files at one commit; see `imagemake.versions.diff.trees.Tree`.

    One git process serves all reads, and one DVC file system serves files that git doesn't have. Not thread-safe.

    Args:
        repository: Repository that contains the commit.
        commit: Full ID of the commit.
    """

    def __init__(self, repository: Repository, commit: str) -> None:
        self._repository = repository
        self._commit = commit
        self._git: subprocess.Popen[bytes] | None = None
        self.dvc_error: str | None = None

    def read(self, path: str, most_bytes: int) -> bytes | None:
        """See `Tree.read`. A Git LFS pointer counts as a missing file."""
        if not is_inside(path) or "\n" in path:
            return None
        data = self._from_git(path, most_bytes)
        if data is not None:
            return None if data.startswith(_LFS_POINTER) else data
        return self._from_dvc(path, most_bytes)

    def close(self) -> None:
        """End the git process."""
        if self._git is not None:
            self._pipe(self._git.stdin).close()
            self._pipe(self._git.stdout).close()  # first: otherwise git waits until a large file is read
            self._git.wait()
            self._git = None

    def _from_git(self, path: str, most_bytes: int) -> bytes | None:
        if self._git is None:
            command = ["git", "-C", str(self._repository.project), "cat-file", "--batch"]
            self._git = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        stdin, stdout = self._pipe(self._git.stdin), self._pipe(self._git.stdout)
        stdin.write(f"{self._commit}:{self._repository.prefix}{path}\n".encode(errors="surrogateescape"))
        stdin.flush()
        _, _, facts = stdout.readline().rstrip(b"\n").rpartition(b" ")
        if not facts.isdigit():  # "... missing"
            return None
        size = int(facts)
        if size > most_bytes:
            self.close()  # avoids reading the whole file only to discard it
            return None
        data = stdout.read(size)
        stdout.read(1)
        return data

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe

    def _from_dvc(self, path: str, most_bytes: int) -> bytes | None:
        # DVC, its remotes, and their libraries can raise any exception. Here it becomes a missing file, and the reason
        # is kept for the error message.
        try:
            if self._dvc is None:
                return None
            full = f"/{self._repository.prefix}{path}"
            facts = self._dvc.info(full)
            if facts["type"] != "file" or (facts.get("size") or 0) > most_bytes:
                return None
            data: bytes = self._dvc.cat_file(full)
            return data
        except Exception as error:
            if self._dvc_knows(path):
                self.dvc_error = str(error).splitlines()[0] if str(error) else type(error).__name__
            return None

    def _dvc_knows(self, path: str) -> bool:
        try:
            return self._dvc is not None and bool(self._dvc.exists(f"/{self._repository.prefix}{path}"))
        except Exception:  # see above
            return True

    @cached_property
    def _dvc(self) -> Any:
        """DVC's file system of the whole repository; None if the commit does not use DVC."""
        parts = self._repository.prefix.rstrip("/").split("/") if self._repository.prefix else []
        above = ["/".join(parts[:n]) for n in range(len(parts) + 1)]
        names = [f"{folder}/.dvc/config" if folder else ".dvc/config" for folder in above]
        if not any(self._repository.ask("cat-file", "-e", f"{self._commit}:{name}") is not None for name in names):
            return None
        require_dvc()
        from dvc.api import DVCFileSystem  # the import takes 0.25 s

        return DVCFileSystem(str(self._repository.root), rev=self._commit, subrepos=True)
