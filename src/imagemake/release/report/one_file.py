"""Pages and their parts that are safe with untrusted content: text as JSON, images as data URLs, scripts by digest."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

import orjson

from imagemake.core.html import environment_of
from imagemake.images.formats import FORMATS, FormatName, format_of

# JSON escapes of what ends a script element, begins a comment, or ends a line in JavaScript.
_ESCAPES = [(character.encode(), f"\\u{ord(character):04x}".encode()) for character in "<>&\u2028\u2029"]


def data_url(name: str, image: bytes) -> str:
    """Return an image as a data URL.

    Args:
        name: Name in messages.
        image: The bytes of a thumbnail.

    Raises:
        ValueError: If it is not an image.
    """
    media_type = FORMATS[format_of_thumbnail(name, image)].media_type
    return f"data:{media_type};base64,{base64.b64encode(image).decode()}"


def format_of_thumbnail(name: str, image: bytes) -> FormatName:
    """Return the format of a thumbnail.

    Args:
        name: Name in messages.
        image: The bytes of the thumbnail.

    Raises:
        ValueError: If it is not an image.
    """
    try:
        return format_of(image)
    except ValueError as error:
        raise ValueError(f"the thumbnail of {name!r} cannot be shown: {error}") from error


def embedded(data: Any) -> str:
    """Return JSON that is safe in a script element, whatever text it contains."""
    return embedded_bytes(data).decode()


def embedded_bytes(data: Any) -> bytes:
    """Return the same as UTF-8."""
    content = orjson.dumps(data)
    for character, escape in _ESCAPES:
        content = content.replace(character, escape)
    return content


def own_text(name: str, package: str = "imagemake.release.report") -> str:
    """Return the text of a file in a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def template(package: str, folder: str, name: str, filters: Mapping[str, Callable[..., str]]) -> Any:
    """Return a template that escapes its values. It also has the filter ``csp_hash``."""
    environment = environment_of(package, folder)
    environment.filters.update(csp_hash=csp_hash, **filters)
    return environment.get_template(name)


def csp_hash(text: str) -> str:
    """Return the source expression of a script or style in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
