"""A release at one moment, with its manifest and images: in the work tree, in a folder, or at a git revision."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from imagemake.core.problems import Problem, UserError
from imagemake.images.decoded import MOST_BYTES as MOST_IMAGE_BYTES
from imagemake.release.manifest.columns import OUTPUT
from imagemake.store.layout import RELEASE_FOLDERS, RELEASES
from imagemake.store.store import Store, StoredFile
from imagemake.versions.diff.revision import Repository, Revision
from imagemake.versions.diff.table import MOST_BYTES, read_table, with_names
from imagemake.versions.diff.trees import Folder, Tree
from imagemake.versions.git import Git

MANIFESTS = ("manifest.parquet", "manifest.csv")  # in order of preference
SCOPES: Mapping[str, str] = {scope: str(folder) for scope, folder in RELEASE_FOLDERS.items()}
RECORDS = str(RELEASES)
_SHORT = 10


@dataclass(frozen=True, slots=True)
class ShownImage:
    """The bytes of an image.

    Attributes:
        data: The file; untrusted.
        is_raw: Whether it is the raw image, because nothing was released.
    """

    data: bytes
    is_raw: bool


class Images:
    """Images of the store by the digests in manifests, including images that are no longer in a release."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def finished(self, digest: str) -> bytes | None:
        """Return a finished image by its SHA-256."""
        stored = self._finished.get(digest)
        return _read_verified(self._store.finished.path(stored), digest) if stored else None

    def raw(self, key: str, digest: str) -> bytes | None:
        """Return a raw image by its key and SHA-256."""
        stored = self._store.raw.find(key) if len(key) == 64 and key.isalnum() else None
        return _read_verified(self._store.raw.path(stored), digest) if stored and stored.digest == digest else None

    @cached_property
    def _finished(self) -> Mapping[str, StoredFile]:
        return {stored.digest: stored for stored in self._store.finished.all()}


class Snapshot:
    """One release.

    Args:
        label: Name of the release in reports.
        tree: Its files.
        folder: Folder of its manifest in the tree; empty for the root.
        table: Its manifest, from `imagemake.versions.diff.table.read_table`.
        images: Images that the tree does not contain.
    """

    def __init__(self, label: str, tree: Tree, folder: str, table: Any, images: Images) -> None:
        self.label = label
        self.table = table
        self._tree, self._folder, self._images = tree, folder, images

    def row(self, number: int) -> Mapping[str, str]:
        """Return one row of the manifest."""
        return {name: self.table[name][number].as_py() for name in self.table.column_names}

    def image(self, row: Mapping[str, str], output: str = "") -> ShownImage | None:
        """Find a row's image: its released file, else the finished image, else the raw image; None if all are missing.

        A file whose digest differs from the row's is skipped, because it is another image.

        Args:
            row: Row of the manifest.
            output: Label of an additional output, for which the raw image is no substitute; empty for the main one.
        """
        prefix = f"{OUTPUT}{output}." if output else ""
        file, digest, finished = (row.get(prefix + column, "") for column in ("file", "digest", "finished_digest"))
        if file:
            data = self._tree.read(f"{self._folder}/{file}" if self._folder else file, MOST_IMAGE_BYTES)
            if data is not None and digest in ("", hashlib.sha256(data).hexdigest()):
                return ShownImage(data, is_raw=False)
        stored = self._images.finished(finished or digest)
        if stored is not None:
            return ShownImage(stored, is_raw=False)
        if output:
            return None
        raw = self._images.raw(row["key"], row.get("raw_digest", ""))
        return None if raw is None else ShownImage(raw, is_raw=True)


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where to look for releases and images.

    Attributes:
        project: The project's folder.
        scope: Which results of the project: one of `SCOPES`.
        store: The store's folder.
    """

    project: Path
    scope: str
    store: Path


class Opener:
    """Opens releases in revisions, folders, and the work tree. Use it as a context manager.

    Args:
        source: Where to look.
        names: Patterns; only names that match one of them are included. Without patterns, all names are.
    """

    def __init__(self, source: ImageSource, names: Sequence[str] = ()) -> None:
        self._source = source
        self._names = names
        self._repository = Repository(source.project)
        self._images = Images(Store(source.store))
        self._revisions: list[Revision] = []

    def __enter__(self) -> Opener:
        return self

    def __exit__(self, *exception: object) -> None:
        for revision in self._revisions:
            revision.close()

    def work_tree(self) -> Snapshot:
        """Open the current results.

        Raises:
            UserError: If there are no results.
        """
        folder = SCOPES[self._source.scope]
        found = _first(Folder(self._source.project), [folder])
        if found is None:
            remedy = "Run `snakemake` first, or name two revisions or folders to compare."
            raise UserError(Problem(f"{folder}/", f"it contains no {' or '.join(MANIFESTS)}", remedy))
        return self._snapshot(f"{folder}/", Folder(self._source.project), found)

    def open(self, name: str) -> Snapshot:
        """Open a release by a tag, a branch, a commit, or a folder.

        Raises:
            UserError: If the name is unknown or ambiguous, or has no valid manifest.
        """
        path = self._source.project / name
        folder = path.parent if path.is_file() and path.name in MANIFESTS else path
        is_folder = any((folder / manifest).is_file() for manifest in MANIFESTS)
        commit = self._repository.commit_of(name)
        if is_folder and commit and not name.startswith((".", "/")):
            remedy = f"Write ./{name} for the folder, or refs/tags/{name} or refs/heads/{name} for the revision."
            raise UserError(Problem(name, "this is both a folder with a release and a git revision", remedy))
        if is_folder:
            found = _first(Folder(folder), [""])
            if found is None:
                remedy = "Name a folder that contains the manifest as a regular file."
                raise UserError(Problem(name, "its manifest is a link out of the folder, or is too large", remedy))
            return self._snapshot(name, Folder(folder), found)
        if commit is None:
            raise self._unknown(name, path)
        return self._at_commit(name, commit)

    def _at_commit(self, name: str, commit: str) -> Snapshot:
        revision = Revision(self._repository, commit)
        self._revisions.append(revision)
        versions = dict.fromkeys([name.removeprefix("refs/tags/"), *self._repository.tags_at(commit)])
        folders = [SCOPES[self._source.scope]]
        if self._source.scope == "all":
            folders += [f"{RECORDS}/{version}" for version in versions]
        found = _first(revision, folders)
        label = name if commit.startswith(name) else f"{name} ({commit[:_SHORT]})"
        if found is None:
            raise self._nothing_at(label, commit, folders, revision.dvc_error)
        return self._snapshot(label, revision, found)

    def _snapshot(self, label: str, tree: Tree, found: tuple[str, str, bytes]) -> Snapshot:
        folder, manifest, data = found
        where = f"{label}: {folder}/{manifest}" if folder else f"{label}/{manifest}"
        return Snapshot(label, tree, folder, with_names(read_table(data, where), self._names), self._images)

    def _unknown(self, name: str, path: Path) -> UserError:
        tags = self._repository.tags()[:5]
        known = f" Tags are {', '.join(tags)}." if tags else ""
        if self._repository.root is None:
            what = "this is not a folder with a manifest, and the project is not in a git repository: "
            what += Git(self._repository.project).obstacle() or "git shows no folder"
            return UserError(Problem(name, what, "Name two folders that contain releases, or run this in the project."))
        if path.is_dir():
            what = f"the folder contains no {' or '.join(MANIFESTS)}, and no git revision has this name"
        else:
            what = "this is neither a git tag, branch, or commit nor a folder with a manifest"
        return UserError(Problem(name, what, f"Name a git revision or a folder with a release.{known}"))

    def _nothing_at(self, label: str, commit: str, folders: Sequence[str], dvc_error: str | None) -> UserError:
        looked = " or ".join(f"{folder}/" for folder in folders)
        if dvc_error is not None:
            what = f"DVC tracks its manifest but cannot read it: {dvc_error}"
            remedy = "Fetch it with `dvc fetch --all-tags`, or with `dvc fetch` at that revision, and try again."
            return UserError(Problem(label, what, remedy))
        records = self._repository.folders_at(commit, RECORDS)
        what = f"it contains no manifest in {looked}"
        remedy = "Name a revision in which git or DVC tracks the manifest. `git tag` lists releases."
        if records:
            remedy += f" {RECORDS}/ contains {', '.join(records[:5])}: name that tag, or check it out as a folder."
        return UserError(Problem(label, what, remedy))


def _first(tree: Tree, folders: Sequence[str]) -> tuple[str, str, bytes] | None:
    for folder in folders:
        for name in MANIFESTS:
            data = tree.read(f"{folder}/{name}" if folder else name, MOST_BYTES)
            if data is not None:
                return folder, name, data
    return None


def _read_verified(path: Path, digest: str) -> bytes | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == digest else None
