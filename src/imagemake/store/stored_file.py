"""A file of a content store, whose name holds all facts about it."""

from __future__ import annotations

from dataclasses import dataclass

_DIGITS = 64


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a content store.

    Attributes:
        key: 64 hexadecimal digits.
        digest: SHA-256 of the content, 64 hexadecimal digits.
        extension: Extension of the file name, without the dot.
    """

    key: str
    digest: str
    extension: str

    @property
    def file_name(self) -> str:
        """Name of the file in its folder."""
        return f"{self.key}.{self.digest}.{self.extension}"

    @property
    def place(self) -> str:
        """Path of the file in the folder of its content store."""
        return f"{folder_of(self.key)}/{self.file_name}"


def folder_of(key: str) -> str:
    """Return the folder of a key in a content store, such as ``a/ab``; DVC tracks the 16 of a large one apart."""
    return f"{key[0]}/{key[:2]}"


def stored_file(name: str) -> StoredFile | None:
    """Return the file of a name; None if it is the name of a temporary or unrelated file."""
    key, _, rest = name.partition(".")
    digest, _, extension = rest.partition(".")
    return StoredFile(key, digest, extension) if len(key) == len(digest) == _DIGITS else None
