"""Keeps signatures in the store, so that a deleted release gets exactly the same bytes again.

Only the bytes that signing changed are kept: a few KB per image. They prove nothing by themselves: callers check that
the result is a valid signature over exactly the expected content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from imagemake.store.store import DamagedError

if TYPE_CHECKING:
    from imagemake.store.store import ContentStore

EXTENSION = "c2pa"
_HEAD_BYTES = 12  # contains the length of a WebP file; no format inserts anything before it
_NUMBER_BYTES = 8


class Signatures:
    """The signatures of a store.

    Args:
        content_store: Contains the signatures by their `made_of` digest.
    """

    def __init__(self, content_store: ContentStore) -> None:
        self._content = content_store

    def over(self, data: bytes, made_of: str) -> bytes | None:
        """Return the file that was signed before, made from the unsigned file; None if no signature is kept.

        Args:
            data: The file without credentials.
            made_of: Digest of everything that determines the signed file.
        """
        stored = self._content.find(made_of)
        if stored is None:
            return None
        try:
            return applied(self._content.read(stored), data)
        except DamagedError:
            return None

    def keep(self, data: bytes, signed: bytes, made_of: str) -> None:
        """Keep the bytes that signing changed in a file."""
        self._content.put(made_of, difference(data, signed), durable=False, extension=EXTENSION)


def difference(data: bytes, signed: bytes) -> bytes:
    """Return the bytes that turn a file into the signed file, without the common beginning and end."""
    before, after = data[_HEAD_BYTES:], signed[_HEAD_BYTES:]
    most = min(len(before), len(after))
    start = _longest(most, lambda length: before[:length] == after[:length])
    end = _longest(most - start, lambda length: before[len(before) - length :] == after[len(after) - length :])
    kept = b"".join(number.to_bytes(_NUMBER_BYTES) for number in (start, end))
    return signed[:_HEAD_BYTES] + kept + after[start : len(after) - end]


def applied(kept: bytes, data: bytes) -> bytes:
    """Return the signed file, from the result of `difference` and the file without credentials."""
    head, rest = kept[:_HEAD_BYTES], data[_HEAD_BYTES:]
    start, end = (int.from_bytes(kept[at : at + _NUMBER_BYTES]) for at in (_HEAD_BYTES, _HEAD_BYTES + _NUMBER_BYTES))
    return head + rest[:start] + kept[_HEAD_BYTES + 2 * _NUMBER_BYTES :] + rest[max(0, len(rest) - end) :]


def _longest(most: int, fits: Callable[[int], bool]) -> int:
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if fits(middle) else (least, middle - 1)
    return least
