"""What an export is made of: the released images, and the content of each file."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.config.fields import MAIN
from imagemake.core.files import writing
from imagemake.core.fingerprint import fingerprint
from imagemake.plan.requests.export_paths import PROMPT, rendered, values_of

if TYPE_CHECKING:
    from imagemake.config.exports import Export
    from imagemake.release.manifest.row import ManifestRow, OutputFile


@dataclass(frozen=True, slots=True)
class Exported:
    """A released image.

    Attributes:
        row: Its row of the manifest.
        file: The file of the output that is exported.
    """

    row: ManifestRow
    file: OutputFile | ManifestRow

    @property
    def path(self) -> str:
        """Path in the release's folder."""
        return str(self.file.file)

    @property
    def file_name(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The file's extension, with its dot."""
        return Path(self.path).suffix

    @property
    def values(self) -> dict[str, str]:
        """The values for placeholders."""
        return {**values_of(self.row.variables, self.row.name, self.row.take), PROMPT: self.row.prompt}

    def columns(self, export: Export) -> dict[str, str]:
        """Return the further values of an export; by default all columns and variables."""
        if not export.columns:
            return dict(self.row.variables)
        values = self.values
        return {name: rendered(text, values) for name, text in export.columns.items()}


def exported(rows: Sequence[ManifestRow], export: Export) -> list[Exported]:
    """Return the images of an export, in the manifest's order."""
    released = [row for row in rows if row.file is not None]
    if export.output == MAIN:
        return [Exported(row, row) for row in released]
    return [Exported(row, row.outputs[export.output]) for row in released]


@dataclass(frozen=True, slots=True)
class Image:
    """A file with the bytes of a released image.

    Attributes:
        path: Path of the image in the release's folder.
        digest: SHA-256 of its bytes.
    """

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Shard:
    """A tar file.

    Attributes:
        members: Its files in order, by name.
    """

    members: Mapping[str, Image | bytes]

    def write(self, target: Path, release: Path) -> None:
        """Write the file, with one image in memory at a time. Equal members give equal bytes."""
        with writing(target) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, content in self.members.items():
                data = content if isinstance(content, bytes) else (release / content.path).read_bytes()
                about = tarfile.TarInfo(name)  # its owner, time, and mode are the same everywhere
                about.size = len(data)
                tar.addfile(about, BytesIO(data))


Content = Image | Shard | bytes


def made_of(content: Content) -> str:
    """Return a digest that stays the same while the content does."""
    if isinstance(content, Image):
        return f"image {content.digest}"
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return fingerprint([list(one) for one in _digests(content)])


def _digests(shard: Shard) -> Iterator[tuple[str, str]]:
    return ((name, made_of(content)) for name, content in shard.members.items())


def image_of(one: Exported) -> Image:
    """Return the content of an image's file."""
    return Image(one.path, str(one.file.digest))
