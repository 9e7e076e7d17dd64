"""Signatures that were made: kept in the store, so that a release that was deleted gets the very same bytes again.

What is kept is what signing changed: a few KB per image. It is worth nothing by itself: whoever takes it from here
checks that it is a valid signature over just what is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from imagemake.store.store import DamagedError

if TYPE_CHECKING:
    from imagemake.store.store import ContentStore

EXTENSION = "c2pa"
_HEAD_BYTES = 12  # in which a WebP file tells its length; nothing is inserted so early in any format
_NUMBER_BYTES = 8


class Signatures:
    """The signatures of a store.

    Args:
        content_store: Where they are, by the digest of what each one was made of.
    """

    def __init__(self, content_store: ContentStore) -> None:
        self._shelf = content_store

    def over(self, data: bytes, made_of: str) -> bytes | None:
        """Return the file that was signed before, from the same one without; None where none is kept.

        Args:
            data: The file without credentials.
            made_of: What the signature must have been made of.
        """
        stored = self._shelf.find(made_of)
        if stored is None:
            return None
        try:
            return applied(self._shelf.read(stored), data)
        except DamagedError:
            return None

    def keep(self, data: bytes, signed: bytes, made_of: str) -> None:
        """Keep what signing made of a file."""
        self._shelf.put(made_of, difference(data, signed), durable=False, extension=EXTENSION)


def difference(data: bytes, signed: bytes) -> bytes:
    """Return what turns a file into the signed one: what both begin and end with is left out."""
    before, after = data[_HEAD_BYTES:], signed[_HEAD_BYTES:]
    most = min(len(before), len(after))
    start = _longest(most, lambda length: before[:length] == after[:length])
    end = _longest(most - start, lambda length: before[len(before) - length :] == after[len(after) - length :])
    kept = b"".join(number.to_bytes(_NUMBER_BYTES) for number in (start, end))
    return signed[:_HEAD_BYTES] + kept + after[start : len(after) - end]


def applied(kept: bytes, data: bytes) -> bytes:
    """Return the signed file: from what `difference` returned, and the file without credentials."""
    head, rest = kept[:_HEAD_BYTES], data[_HEAD_BYTES:]
    start, end = (int.from_bytes(kept[at : at + _NUMBER_BYTES]) for at in (_HEAD_BYTES, _HEAD_BYTES + _NUMBER_BYTES))
    return head + rest[:start] + kept[_HEAD_BYTES + 2 * _NUMBER_BYTES :] + rest[max(0, len(rest) - end) :]


def _longest(most: int, fits: Callable[[int], bool]) -> int:
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if fits(middle) else (least, middle - 1)
    return least
