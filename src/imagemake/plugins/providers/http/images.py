"""Reference images in requests."""

from __future__ import annotations

from imagemake.images.formats import FORMATS, format_of
from imagemake.plugins.providers.http.base64_images import encoded


def media_type(image: bytes) -> str:
    """Return the media type of an image, by its bytes."""
    return FORMATS[format_of(image)].media_type


def data_url(image: bytes) -> str:
    """Return an image as a data URL."""
    return f"data:{media_type(image)};base64,{encoded(image)}"
