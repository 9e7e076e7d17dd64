"""Writes the exports of a release. Only files whose content changed are written again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from imagemake.core.files import link_or_copy, write_whole
from imagemake.release.exports.coco import coco
from imagemake.release.exports.content import Content, Exported, Image, Shard, exported, made_of
from imagemake.release.exports.datasets import folders, huggingface, kohya, webdataset
from imagemake.release.exports.feeds import links_of, merchant, shopify
from imagemake.release.released_files import Released, ReleasedBefore
from imagemake.store.layout import EXPORTS

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.exports import Export
    from imagemake.release.manifest.row import ManifestRow

_FORMATS: Mapping[str, Callable[[Sequence[Exported], Export], dict[str, Content]]] = {
    "huggingface": huggingface,
    "kohya": kohya,
    "coco": coco,
    "webdataset": webdataset,
    "folders": folders,
}
_FEEDS = {"merchant": merchant, "shopify": shopify}


class Exports:
    """Writes the exports of a release.

    Args:
        folder: The release's folder, with its images.
        memory: Record of the files that were written before; its folder is that of the exports.
        images: Record of the released images, which get second names.
    """

    def __init__(self, folder: Path, memory: ReleasedBefore, images: ReleasedBefore) -> None:
        self._release, self._folder = folder, folder / EXPORTS
        self._memory, self._images = memory, images

    def write_all(
        self, rows: Sequence[ManifestRow], campaign: Campaign, scope: str, before: Iterable[str] = ()
    ) -> dict[str, list[str]]:
        """Write every changed file, and remove those that are no longer part of an export.

        Files that others put there stay, such as a trainer's caches.

        Args:
            rows: The manifest.
            campaign: The campaign.
            scope: Which release it is.
            before: Files of the previous release, relative to the exports' folder.

        Returns:
            The files of each export, by label, relative to the exports' folder.
        """
        wanted = {
            label: {f"{label}/{name}": content for name, content in _files(rows, export, campaign, scope).items()}
            for label, export in campaign.release.exports.items()
        }
        keep = {name for files in wanted.values() for name in files}
        for name in before:
            if name not in keep:
                self._remove(name)
        for files in wanted.values():
            for name, content in files.items():
                self._write(self._folder / name, content)
        self._memory.save()
        return {label: sorted(files) for label, files in wanted.items()}

    def _remove(self, name: str) -> None:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:  # a record that somebody wrote
            return
        (self._folder / path).unlink(missing_ok=True)
        for parent in (self._folder / path).parents:
            if parent == self._release or not parent.is_dir() or any(parent.iterdir()):
                break
            parent.rmdir()

    def _write(self, target: Path, content: Content) -> None:
        if isinstance(content, Image):
            self._link(target, content)
            return
        digest = made_of(content)
        if self._memory.find(target, digest) is not None:
            return
        if isinstance(content, Shard):
            content.write(target, self._release)
        elif not (target.is_file() and target.read_bytes() == content):
            write_whole(target, content)
        self._memory.add(target, digest, Released(digest, target.stat().st_size))

    def _link(self, target: Path, image: Image) -> None:
        source = self._release / image.path
        if _is_one_file(source, target) or self._memory.find(target, made_of(image)) is not None:
            return
        link_or_copy(source, target)
        if _is_one_file(source, target):
            self._images.was_linked(source)
        else:  # a file system without links
            self._memory.add(target, made_of(image), Released(image.digest, target.stat().st_size))


def _files(rows: Sequence[ManifestRow], export: Export, campaign: Campaign, scope: str) -> dict[str, Content]:
    images = exported(rows, export)
    if export.is_feed:
        return _FEEDS[export.format](images, export, links_of(export, campaign, scope))
    return _FORMATS[export.format](images, export)


def _is_one_file(source: Path, target: Path) -> bool:
    try:
        return source.samefile(target)
    except FileNotFoundError:
        return False
