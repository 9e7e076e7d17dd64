"""A checksum in a JSON object, ``{..., "crc":"8 digits"}``: a flipped byte shows even if the JSON is still valid.

CRC-32 finds every change of up to 32 bits in a row, and others but for one in four billion. It is no protection from
malice.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from imagemake.core.files import write_whole

_MARK = b',"crc":"'
_DIGITS = 8
_LENGTH = len(_MARK) + _DIGITS + len(b'"}')


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
    write_whole(path, seal(orjson.dumps(data, option=option)), durable=durable)


def read_sealed(path: Path) -> dict[str, Any] | None:
    """Read a file of `write_sealed`; None if it is missing, or torn, zeroed, flipped, or something else."""
    try:
        content = unseal(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    found: dict[str, Any] | None = None if content is None else orjson.loads(content)
    return found
