"""The order of a release: by name, as people sort."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"(\d+)")


def order_of(name: str) -> bytes:
    """Return what names are sorted by: A2 before A10, and capital letters beside small ones.

    Bytes take a tenth of the memory of lists of words and numbers.
    """
    parts: list[bytes] = []
    for place, part in enumerate(_DIGITS.split(name.casefold())):
        if place % 2:
            digits = str(int(part)).encode()
            parts.append(len(digits).to_bytes(2, "big") + digits)
        else:
            parts.append(part.encode("utf-8", "surrogatepass") + b"\0")
    return b"".join((*parts, b"\0\0", name.encode("utf-8", "surrogatepass")))
