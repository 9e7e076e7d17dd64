"""A release at one moment: in the work tree, in a folder, or at a git revision; its manifest and its images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from imagemake.core.problems import Problem, UserError
from imagemake.images.decoded import MOST_BYTES as MOST_IMAGE_BYTES
from imagemake.store.store import Store, StoredFile
from imagemake.versions.diff.revision import Repository, Revision
from imagemake.versions.diff.table import MOST_BYTES, OUTPUT, read_table, with_names
from imagemake.versions.diff.trees import Folder, Tree

MANIFESTS = ("manifest.parquet", "manifest.csv")  # the first that is there
SCOPES: Mapping[str, str] = {"all": "results", "small": "results/small", "pilot": "results/pilot"}
RECORDS = "releases"
_SHORT = 10


@dataclass(frozen=True, slots=True)
class ShownImage:
    """The bytes of an image.

    Attributes:
        data: Of anybody's making.
        is_raw: Whether it is what came from the provider, because nothing was released.
    """

    data: bytes
    is_raw: bool


class Images:
    """Images of the store by the digests that manifests name; also those that no release holds any more."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def finished(self, digest: str) -> bytes | None:
        """Return a finished image by its SHA-256."""
        stored = self._finished.get(digest)
        return _right(self._store.finished.path(stored), digest) if stored else None

    def raw(self, key: str, digest: str) -> bytes | None:
        """Return a raw image by its key and SHA-256."""
        stored = self._store.raw.find(key) if len(key) == 64 and key.isalnum() else None
        return _right(self._store.raw.path(stored), digest) if stored and stored.digest == digest else None

    @cached_property
    def _finished(self) -> Mapping[str, StoredFile]:
        return {stored.digest: stored for stored in self._store.finished.all()}


class Snapshot:
    """One release.

    Args:
        label: What it is called.
        tree: Its files.
        folder: Where in the tree its manifest is; empty for the root.
        table: Its manifest, from `imagemake.versions.diff.table.read_table`.
        images: Where images are that the tree does not hold.
    """

    def __init__(self, label: str, tree: Tree, folder: str, table: Any, images: Images) -> None:
        self.label = label
        self.table = table
        self._tree, self._folder, self._images = tree, folder, images

    def row(self, number: int) -> Mapping[str, str]:
        """Return one row of the manifest."""
        return {name: self.table[name][number].as_py() for name in self.table.column_names}

    def image(self, row: Mapping[str, str], output: str = "") -> ShownImage | None:
        """Find what a row shows: its released file, else the finished image, else the raw one; None if all are gone.

        A file is not shown where its digest is not the one that the row names: it is another image.

        Args:
            row: Of the manifest.
            output: Label of the further output that is wanted; the raw image does not stand for one.
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
    """What to look for.

    Attributes:
        project: The project's folder.
        scope: Which release of a project: one of `SCOPES`.
        store: The folder of everything that was paid for.
    """

    project: Path
    scope: str
    store: Path


class Opener:
    """Opens what revisions, folders and the work tree hold; to be closed.

    Args:
        place: What to look for.
        names: Patterns that names must match one of; all names where there is none.
    """

    def __init__(self, place: ImageSource, names: Sequence[str] = ()) -> None:
        self._place = place
        self._names = names
        self._repository = Repository(place.project)
        self._images = Images(Store(place.store))
        self._revisions: list[Revision] = []

    def __enter__(self) -> Opener:
        return self

    def __exit__(self, *exception: object) -> None:
        for revision in self._revisions:
            revision.close()

    def work_tree(self) -> Snapshot:
        """Open the current results.

        Raises:
            UserError: If there are none.
        """
        folder = SCOPES[self._place.scope]
        found = _first(Folder(self._place.project), [folder])
        if found is None:
            remedy = "Build it first (`snakemake`), or name two revisions or folders to compare."
            raise UserError(Problem(f"{folder}/", f"there is no {' or '.join(MANIFESTS)}", remedy))
        return self._snapshot(f"{folder}/", Folder(self._place.project), found)

    def open(self, name: str) -> Snapshot:
        """Open what a user names: a tag, a branch, a commit, or a folder with a release.

        Raises:
            UserError: If it is none of these, is two of them, or holds no manifest that can be read.
        """
        path = self._place.project / name
        folder = path.parent if path.is_file() and path.name in MANIFESTS else path
        is_folder = any((folder / manifest).is_file() for manifest in MANIFESTS)
        commit = self._repository.commit_of(name)
        if is_folder and commit and not name.startswith((".", "/")):
            remedy = f"Write ./{name} for the folder, or refs/tags/{name} or refs/heads/{name} for the revision."
            raise UserError(Problem(name, "it is a folder with a release and a git revision", remedy))
        if is_folder:
            found = _first(Folder(folder), [""])
            if found is None:
                remedy = "Give a folder that holds it as a plain file."
                raise UserError(Problem(name, "its manifest leads out of the folder, or is too large", remedy))
            return self._snapshot(name, Folder(folder), found)
        if commit is None:
            raise self._unknown(name, path)
        return self._at_commit(name, commit)

    def _at_commit(self, name: str, commit: str) -> Snapshot:
        revision = Revision(self._repository, commit)
        self._revisions.append(revision)
        versions = dict.fromkeys([name.removeprefix("refs/tags/"), *self._repository.tags_at(commit)])
        folders = [SCOPES[self._place.scope]]
        if self._place.scope == "all":
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
            what = "it is no folder with a manifest, and this project is in no git repository"
            return UserError(Problem(name, what, "Name two folders that hold releases, or run this in the project."))
        if path.is_dir():
            what = f"the folder holds no {' or '.join(MANIFESTS)}, and no git revision has that name"
        else:
            what = "it is no git tag, branch or commit, and no folder with a manifest"
        return UserError(Problem(name, what, f"Name a revision that `git rev-parse` knows, or a folder.{known}"))

    def _nothing_at(self, label: str, commit: str, folders: Sequence[str], dvc_error: str | None) -> UserError:
        looked = " or ".join(f"{folder}/" for folder in folders)
        if dvc_error is not None:
            what = f"its manifest is tracked by DVC, and cannot be had: {dvc_error}"
            remedy = "Fetch it (`dvc fetch` with that revision checked out, or `dvc fetch --all-tags`), and try again."
            return UserError(Problem(label, what, remedy))
        records = self._repository.folders_at(commit, RECORDS)
        what = f"it holds no manifest in {looked}"
        remedy = "A revision is compared by the manifest that git or DVC tracks in it; `git tag` lists releases."
        if records:
            remedy += f" {RECORDS}/ holds {', '.join(records[:5])} there: name that tag, or check it out as a folder."
        return UserError(Problem(label, what, remedy))


def _first(tree: Tree, folders: Sequence[str]) -> tuple[str, str, bytes] | None:
    for folder in folders:
        for name in MANIFESTS:
            data = tree.read(f"{folder}/{name}" if folder else name, MOST_BYTES)
            if data is not None:
                return folder, name, data
    return None


def _right(path: Path, digest: str) -> bytes | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == digest else None
