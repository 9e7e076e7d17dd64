"""Finished images under their names: hard links to the store, or files of their own that say where they came from.

The store keeps pixels without metadata, since a note of a reviewer must not postprocess an image anew. A file with XMP
is made from them by inserting it, when the image is released, and only where the one that is there differs. Content
credentials come last, over all of it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
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
    """Puts finished images under their names.

    Args:
        finished: The shelf that they are on.
        metadata: What the campaign asks for.
        memory: What was placed before.
        signing: What signs them; None where nothing is signed.
    """

    def __init__(
        self, finished: ContentStore, metadata: Metadata, memory: ReleasedBefore, signing: Signing | None = None
    ) -> None:
        self._finished, self._metadata, self._memory, self._signing = finished, metadata, memory, signing

    def place_all(
        self, wanted: Mapping[Path, ReleaseFile], generated_at: Callable[[State], str | None]
    ) -> Iterator[tuple[Path, ReleaseFile, Released | DamagedError]]:
        """Put many images under their names, on all cores; see `place`, whose error is returned here."""

        def placed(target: Path) -> Released | DamagedError:
            try:
                return self.place(wanted[target], target, generated_at(wanted[target].state))
            except DamagedError as error:
                return error

        with ThreadPoolExecutor() as pool:  # hashing, reading and writing let go of the interpreter's lock
            for (target, one), result in zip(wanted.items(), pool.map(placed, wanted), strict=True):
                yield target, one, result

    def place(self, wanted: ReleaseFile, target: Path, generated_at: str | None) -> Released:
        """Put one finished image under its name; a file that is right already keeps its time.

        Args:
            wanted: What is to be there.
            target: The name.
            generated_at: When its raw image came.

        Raises:
            DamagedError: If the store's file is damaged or gone.
        """
        if not self._metadata.xmp and self._signing is None:
            return self._link(wanted.stored, target)
        packet = b""
        if self._metadata.xmp:
            packet = provenance_of(wanted.state, self._metadata, generated_at, wanted.output).packet()
        # The digest of the pixels is in both.
        made_of = self._signing.seal.made_of(wanted, packet) if self._signing else hashlib.sha256(packet).hexdigest()
        known = self._memory.find(target, made_of)
        if known is not None:
            return known
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
        released = Released(hashlib.sha256(data).hexdigest(), len(data), unsigned)
        if unsigned is None:  # else it is tried again the next time
            self._memory.add(target, made_of, released)
        return released

    def _link(self, stored: StoredFile, target: Path) -> Released:
        source = self._finished.path(stored)
        if not (target.exists() and _is_same(target, source)):
            link_or_copy(source, target)
        return Released(stored.digest, source.stat().st_size)


def is_as_released(path: Path, wanted: ReleaseFile, metadata: Metadata, seal: Seal | None = None) -> bool:
    """Say whether a file is just what releasing an image would write, without asking the journal.

    Args:
        path: The file.
        wanted: Which image it must be.
        metadata: What the campaign asks for.
        seal: What it must be signed with; None where nothing is signed.
    """
    finished_digest = wanted.stored.digest
    data = path.read_bytes()
    if seal is not None:
        return _is_signed_as_released(data, wanted, metadata, seal)
    digest = hashlib.sha256(data).hexdigest()
    if not metadata.xmp:
        return digest == finished_digest
    try:
        packet, bare = packet_of(data), without_packet(data)
    except ValueError:  # either no image any more, or one that cannot hold XMP
        return digest == finished_digest
    if packet is None or hashlib.sha256(bare).hexdigest() != finished_digest:
        return False
    # Only the journal knows the time; it never changes, so that of the file itself will do.
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


def _is_same(target: Path, source: Path) -> bool:
    one, other = target.stat(), source.stat()
    if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino):
        return True
    return one.st_size == other.st_size and target.read_bytes() == source.read_bytes()
