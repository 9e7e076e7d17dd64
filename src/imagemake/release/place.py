"""Places finished images under their names, as hard links to the store or as files with provenance metadata.

The store keeps images without metadata, so that a reviewer's note does not cause postprocessing. XMP is inserted when
an image is released, and the file is written only if it differs from the existing one. Content credentials come last
and cover everything else.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.core.files import link_or_copy, write_whole
from imagemake.images.metadata.xmp import packet_of, with_packet, without_packet
from imagemake.release.output_file import ReleaseFile
from imagemake.release.provenance import provenance_of
from imagemake.release.released_files import Released, ReleasedBefore
from imagemake.release.xmp_packet import created_in
from imagemake.store.store import DamagedError

if TYPE_CHECKING:
    from imagemake.config.provenance import Metadata
    from imagemake.plan.state import State
    from imagemake.release.credentials.signing import Seal, Signing
    from imagemake.store.store import ContentStore, StoredFile


class Placing:
    """Places finished images under their names.

    Args:
        finished: The store of finished images.
        metadata: The campaign's metadata settings.
        memory: Record of the files that were placed before.
        signing: Signs the files; None if they are not signed.
    """

    def __init__(
        self, finished: ContentStore, metadata: Metadata, memory: ReleasedBefore, signing: Signing | None = None
    ) -> None:
        self._finished, self._metadata, self._memory, self._signing = finished, metadata, memory, signing

    def place_all(
        self, wanted: Mapping[Path, ReleaseFile], generated_at: Callable[[State], str | None]
    ) -> Iterator[tuple[Path, ReleaseFile, Released | DamagedError]]:
        """Place many images, first those that are there already, then the others on all cores.

        Like `place`, but errors are returned.
        """
        missing: dict[Path, tuple[bytes, str]] = {}
        for target, one in wanted.items():
            packet, made_of = self._made_of(one, generated_at(one.state))
            known = self._memory.find(target, made_of)
            if known is None:
                missing[target] = packet, made_of
            else:
                yield target, one, known

        def placed(target: Path) -> Released | DamagedError:
            try:
                return self._place(wanted[target], target, *missing[target])
            except DamagedError as error:
                return error

        with ThreadPoolExecutor() as pool:  # hashing, reading, and writing release the GIL
            for target, result in zip(missing, pool.map(placed, missing), strict=True):
                yield target, wanted[target], result

    def place(self, wanted: ReleaseFile, target: Path, generated_at: str | None) -> Released:
        """Place one finished image. An unchanged file keeps its time.

        Args:
            wanted: The image to place.
            target: The path to place it at.
            generated_at: When its raw image arrived.

        Raises:
            DamagedError: If the file in the store is damaged or missing.
        """
        packet, made_of = self._made_of(wanted, generated_at)
        return self._memory.find(target, made_of) or self._place(wanted, target, packet, made_of)

    def _made_of(self, wanted: ReleaseFile, generated_at: str | None) -> tuple[bytes, str]:
        """Return the XMP packet of a file, and what the file is made of; both contain the finished image's digest."""
        if not self._metadata.xmp and self._signing is None:
            return b"", _as_link(wanted.stored)
        packet = b""
        if self._metadata.xmp:
            packet = provenance_of(wanted.state, self._metadata, generated_at, wanted.output).packet()
        return packet, self._signing.seal.made_of(wanted, packet) if self._signing else _digest(packet)

    def _place(self, wanted: ReleaseFile, target: Path, packet: bytes, made_of: str) -> Released:
        if not self._metadata.xmp and self._signing is None:
            return self._link(wanted.stored, target)
        bare = self._finished.read(wanted.stored)
        try:
            data = with_packet(bare, packet) if packet else bare
        except ValueError as error:
            print(f"imagemake: {target} is released without XMP: {error}", file=sys.stderr)
            if self._signing is None:
                return self._link(wanted.stored, target)
            data, packet = bare, b""
        unsigned = None
        if self._signing is not None:
            data, unsigned = self._signing.over(data, wanted, packet, target)
        if not (target.exists() and target.stat().st_size == len(data) and target.read_bytes() == data):
            write_whole(target, data)
        released = Released(_digest(data), len(data), unsigned, _size_px(bare))
        if unsigned is None:  # otherwise signing is retried in the next run
            self._memory.add(target, made_of, released)
        return released

    def _link(self, stored: StoredFile, target: Path) -> Released:
        data = self._finished.read(stored)  # what is linked is checked like what is copied
        source = self._finished.path(stored)
        if not (target.exists() and _is_same(target, source)):
            link_or_copy(source, target)
        released = Released(stored.digest, len(data), size_px=_size_px(data))
        self._memory.add(target, _as_link(stored), released)
        return released


def is_as_released(path: Path, wanted: ReleaseFile, metadata: Metadata, seal: Seal | None = None) -> bool:
    """Return whether a file is exactly what releasing the image would write, without reading the journal.

    Args:
        path: The file.
        wanted: The expected image.
        metadata: The campaign's metadata settings.
        seal: The expected signature; None if files are not signed.
    """
    finished_digest = wanted.stored.digest
    data = path.read_bytes()
    if seal is not None:
        return _is_signed_as_released(data, wanted, metadata, seal)
    digest = _digest(data)
    if not metadata.xmp:
        return digest == finished_digest
    try:
        packet, bare = packet_of(data), without_packet(data)
    except ValueError:  # not an image, or a format that cannot contain XMP
        return digest == finished_digest
    if packet is None or _digest(bare) != finished_digest:
        return False
    # Only the journal has the time, but it never changes, so the time in the file is good enough.
    expected = provenance_of(wanted.state, metadata, created_in(packet), wanted.output).packet()
    return packet == expected and with_packet(bare, packet) == data


def _is_signed_as_released(data: bytes, wanted: ReleaseFile, metadata: Metadata, seal: Seal) -> bool:
    packet = b""
    if metadata.xmp:
        try:
            packet = packet_of(data) or b""
        except ValueError:
            return False
        packet = provenance_of(wanted.state, metadata, created_in(packet), wanted.output).packet()
    return seal.is_over(data, seal.made_of(wanted, packet))


def _as_link(stored: StoredFile) -> str:
    return f"link {stored.digest}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _size_px(data: bytes) -> tuple[int, int] | None:
    from PIL import Image

    with suppress(OSError), Image.open(BytesIO(data)) as image:  # reads only the header; the file is our own
        return image.size
    return None


def _is_same(target: Path, source: Path) -> bool:
    one, other = target.stat(), source.stat()
    if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino):
        return True
    return one.st_size == other.st_size and target.read_bytes() == source.read_bytes()
