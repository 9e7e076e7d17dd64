"""Adds XMP to image files and removes it, without encoding a pixel again.

Removing what was added restores the same bytes.
"""

from __future__ import annotations

from imagemake.images.metadata.containers import container_of

MOST_PACKET_BYTES = 65_502  # capacity of one APP1 segment of a JPEG without its name; the limit in every format


def with_packet(data: bytes, packet: bytes) -> bytes:
    """Put an XMP packet into an image file, replacing an existing one.

    Args:
        data: A file of one of `imagemake.images.formats.FORMATS`.
        packet: At most `MOST_PACKET_BYTES`.

    Raises:
        ValueError: If the packet is too long, or the file is damaged or of another format.
    """
    if len(packet) > MOST_PACKET_BYTES:
        raise ValueError(f"the XMP packet has {len(packet):,} bytes, more than {MOST_PACKET_BYTES:,}")
    return container_of(data).with_xmp(without_packet(data), packet)


def packet_of(data: bytes) -> bytes | None:
    """Return the first XMP packet of an image file; None if there is none.

    Raises:
        ValueError: If the file is damaged or of another format.
    """
    return container_of(data).xmp_of(data)


def without_packet(data: bytes) -> bytes:
    """Return an image file without XMP, byte for byte the input of `with_packet`.

    Raises:
        ValueError: If the file is damaged or of another format.
    """
    return container_of(data).without_xmp(data)
