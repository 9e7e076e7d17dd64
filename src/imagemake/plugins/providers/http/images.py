"""Reference images in requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagemake.images.formats import FORMATS, format_of
from imagemake.plugins.providers.http.base64_images import encoded


def media_type(image: bytes) -> str:
    """Return the media type of an image, by its bytes."""
    return FORMATS[format_of(image)].media_type


def data_url(image: bytes) -> str:
    """Return an image as a data URL."""
    return f"data:{media_type(image)};base64,{encoded(image)}"


def form_of(name: str, file_name: str, image: bytes, fields: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the body of an upload, as a form with one file, and its header, for `HttpClient.send`.

    Args:
        name: Name of the field with the file.
        file_name: Name of the file, without an extension.
        image: The file.
        fields: The other fields.
    """
    import httpx2

    kind = format_of(image)
    files = {name: (f"{file_name}.{kind}", image, FORMATS[kind].media_type)}
    form = httpx2.Request("POST", "https://localhost", files=files, data=dict(fields or {}))
    return {"content": form.read(), "headers": {"Content-Type": form.headers["content-type"]}}
