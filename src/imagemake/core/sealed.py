"""A checksum in a JSON object, ``{..., "crc":"8 digits"}``: a flipped byte shows even if the JSON is still valid.

CRC-32 finds every change of up to 32 bits in a row, and others but for one in four billion. It is no protection from
malice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from imagemake.core.errors import ImagemakeError
from imagemake.core.files import set_folder_aside, write_whole

_MARK = b',"crc":"'
_DIGITS = 8
_LENGTH = len(_MARK) + _DIGITS + len(b'"}')


class DamagedStateError(ImagemakeError):
    """A file of state under ``work/`` is missing, or not as it was written."""

    remedy = "Run again: what it held is made again, without a call."


def seal(line: bytes) -> bytes:
    """Add the checksum to a JSON object that is not empty, as its last member."""
    body = line[:-1]
    return b'%b%b%08x"}' % (body, _MARK, crc32(body))


def unseal(line: bytes) -> bytes | None:
    """Return the object without its checksum; None if the checksum is missing or wrong."""
    body = line[:-_LENGTH]
    return body + b"}" if seal(body + b"}") == line else None


def write_sealed(path: Path, data: Mapping[str, Any], *, durable: bool = False, option: int = 0) -> None:
    """Write a file of state atomically.

    Args:
        path: Where to write.
        data: Plain data of JSON, not empty.
        durable: As for `write_whole`.
        option: Of orjson.
    """
    set_folder_aside(path)
    write_whole(path, seal(orjson.dumps(data, option=option)), durable=durable)


def overwrite_sealed(path: Path, data: Mapping[str, Any]) -> None:
    """Write a file of state in its place, which takes a hundredth of the time that `write_sealed` takes.

    A crash can tear the file, so it is for what may be lost. All who read or write it hold a lock.

    Args:
        path: Where to write; its folder is there.
        data: Plain data of JSON, not empty.
    """
    set_folder_aside(path)
    content = seal(orjson.dumps(data))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(handle, content, 0)
        os.ftruncate(handle, len(content))
    finally:
        os.close(handle)


def read_sealed(path: Path) -> dict[str, Any] | None:
    """Read a file of `write_sealed`; None if it is missing, unreadable, torn, zeroed, flipped, or something else."""
    try:
        return parsed_sealed(path.read_bytes())
    except OSError:
        return None


def parsed_sealed(data: bytes) -> dict[str, Any] | None:
    """Return the content of a file of `write_sealed`; None if it is anything else."""
    content = unseal(data)
    try:
        found = None if content is None else orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def require_sealed(path: Path) -> dict[str, Any]:
    """Read a file of `write_sealed`.

    Raises:
        DamagedStateError: If it is missing, or not as it was written.
    """
    found = read_sealed(path)
    if found is None:
        raise DamagedStateError(f"{path} is missing or damaged.")
    return found
