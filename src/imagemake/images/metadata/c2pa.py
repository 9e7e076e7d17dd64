"""Finds and removes content credentials in image files.

They are a JUMBF box (ISO 19566-5), which C2PA calls the manifest store; each format has one place for it. This module
only locates the box and never parses its content, so it needs no library, and hostile boxes do no harm.
"""

from __future__ import annotations

from imagemake.images.formats import FORMATS, format_of
from imagemake.images.metadata.containers import container_of


def mime_of(data: bytes) -> str:
    """Return the media type of an image that can hold content credentials.

    Raises:
        ValueError: If the format is not supported; the message names it.
    """
    return FORMATS[format_of(data)].media_type


def has_manifest(data: bytes) -> bool:
    """Return whether a file carries content credentials, valid or not, even if the file is cut off after them."""
    try:
        return any(container_of(data).credential_marks(data))
    except ValueError:
        return False


def without_manifest(data: bytes) -> bytes:
    """Return an image file without content credentials, byte for byte the file before signing.

    Raises:
        ValueError: If the file is damaged or of another format, or credentials cannot be removed from it (AVIF).
    """
    return container_of(data).without_credentials(data)
