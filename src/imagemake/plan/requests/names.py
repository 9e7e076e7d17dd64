"""Safe, stable file names: no text in a catalog or campaign can leave the folder or break a file system."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping

from imagemake.config.placeholders import Template

NAME_BYTES = 150  # of the 255 that file systems allow: room for temporary names and extensions
_DIGEST_DIGITS = 8
_UNSAFE = re.compile(r"(?:[^0-9A-Za-z._-]|\.{2,})+")
# Names that are safe already. Nearly all are, and every image of a campaign has one.
_PLAIN = re.compile(r"(?!-)[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)*(?<!-)")
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]")
# Reserved by Windows, with any extension:
# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file#naming-conventions
_RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])(?:\.|$)")
_HOLE = "\0"


def safe_part(value: str) -> str:
    """Return a value as part of a name: each run of unsafe characters becomes a dash, or nothing at its ends.

    Letters, digits, and marks of any script are safe, and so are dots, underscores, and dashes, but not two dots in a
    row.

    Raises:
        ValueError: If the value is an absolute path, or if nothing of it is safe.
    """
    if _PLAIN.fullmatch(value):
        return value
    if _ABSOLUTE.match(value):
        raise ValueError("starts like an absolute path")
    part = _with_holes(value).strip(_HOLE).replace(_HOLE, "-")
    if value and not part.strip("."):
        raise ValueError("has no letter or digit for a file name")
    return part


def safe_literal(text: str) -> str:
    """Return a template's own text as part of a name."""
    return _with_holes(text).replace(_HOLE, "-")


def safe_name(text: str) -> str:
    """Return a file name without extension for a rendered text: the same one on every machine.

    A name longer than 150 bytes of UTF-8 is cut, and ends in 8 digits of the SHA-256 of the whole name.

    Returns:
        The name; empty if no character of the text is safe.
    """
    if len(text) <= NAME_BYTES and _PLAIN.fullmatch(text) and not _RESERVED.match(text):
        return text
    name = safe_literal(text).strip(".-")
    if _RESERVED.match(name):
        name = f"_{name}"
    if len(encoded := name.encode()) > NAME_BYTES:
        digest = hashlib.sha256(encoded).hexdigest()[:_DIGEST_DIGITS]
        head = encoded[: NAME_BYTES - 1 - _DIGEST_DIGITS].decode(errors="ignore").rstrip(".-")
        name = f"{head}-{digest}"
    return name


def folded(name: str) -> str:
    """Return a name without case: names that agree in it are one file on macOS and Windows."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name.casefold())


def _with_holes(text: str) -> str:
    if not text.isascii():
        text = "".join(c if _is_safe(c) else _HOLE for c in unicodedata.normalize("NFC", text))
        return re.sub(r"(?:\0|\.{2,})+", _HOLE, text)
    return _UNSAFE.sub(_HOLE, text)


def _is_safe(character: str) -> bool:
    # Marks are safe too: without them, vowels of Hindi or Thai would become dashes.
    return character in "._-" or unicodedata.category(character)[0] in "LMN"


class Namer:
    """Names images by a template, value by value, so that a bad value can be named.

    Args:
        template: The template of the names.
    """

    def __init__(self, template: Template) -> None:
        self._template = template.with_literals(safe_literal)
        self._parts = _Parts()

    def name(self, values: Mapping[str, str]) -> str:
        """Return the name for these values.

        Raises:
            BadValueError: If a value cannot be part of a name.
        """
        parts = self._parts
        try:
            return safe_name(self._template.render({name: parts[values[name]] for name in self._template.fields}))
        except ValueError as error:
            bad = next(name for name in self._template.fields if values[name] not in parts)
            raise BadValueError(bad, str(error)) from error


class _Parts(dict[str, str]):
    """Parts of names by value; many rows have the same values."""

    def __missing__(self, value: str) -> str:
        part = self[value] = safe_part(value)
        return part


class BadValueError(ValueError):
    """A value cannot be part of a name; the arguments are the column and the fault."""
