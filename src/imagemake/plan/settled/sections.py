"""A file of state with numbers by the million: a sealed JSON head, and sections of bytes with a digest in the head."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from imagemake.core.files import set_folder_aside, writing
from imagemake.core.sealed import parsed_sealed, seal

Section: TypeAlias = bytes | memoryview  # of millions of numbers, which nothing copies


def write_sections(path: Path, head: Mapping[str, Any], sections: Mapping[str, Section]) -> None:
    """Write the file atomically.

    Args:
        path: Where to write.
        head: Plain data of JSON.
        sections: Bytes by name.
    """
    digest = hashlib.sha256()
    for section in sections.values():
        digest.update(section)
    lengths = {name: memoryview(section).nbytes for name, section in sections.items()}
    about = {**head, "sections": lengths, "digest": digest.hexdigest()}
    set_folder_aside(path)
    with writing(path) as file:
        file.write(seal(orjson.dumps(about)) + b"\n")
        for section in sections.values():
            file.write(section)


def read_sections(path: Path) -> tuple[dict[str, Any], dict[str, Section]] | None:
    """Read the head and the sections; None if the file is missing, or not as it was written."""
    try:
        with path.open("rb") as file:
            line, body = file.readline(), memoryview(file.read())
    except OSError:
        return None
    head = parsed_sealed(line.removesuffix(b"\n"))
    if head is None or head.get("digest") != hashlib.sha256(body).hexdigest():
        return None
    sections, start = dict[str, Section](), 0
    for name, length in head["sections"].items():
        sections[name] = body[start : start + length]
        start += length
    return head, sections


def numbers(section: Section) -> array[int]:
    """Return whole numbers of 64 bits."""
    found = array("Q")
    found.frombytes(section)
    return found


def section_of(whole: Iterable[int]) -> bytes:
    """Return whole numbers of 64 bits as bytes."""
    return array("Q", whole).tobytes()


def short(text: str) -> int:
    """Return the first 64 bits of a text's digest."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def short_hex(digits: str) -> int:
    """Return the first 64 bits of a key or digest in hexadecimal digits."""
    return int(digits[:16], 16)
