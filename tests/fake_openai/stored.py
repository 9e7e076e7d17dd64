"""Uploaded files and results of batches, in a temporary folder while the server runs."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fake_openai import errors

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
BATCH_FILE_LIMIT_BYTES = 200 * 1024**2
FILE_LIMIT_BYTES = 512 * 1024**2
BATCH_FILE_LIFE_S = 30 * 86_400  # and the longest lifetime that a caller can request
SHORTEST_LIFE_S = 3600


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file with the fields that the API shows; `path` is ours."""

    id: str
    path: Path
    filename: str
    purpose: str
    created_at: int
    expires_at: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return the API's `File` object."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.path.stat().st_size,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }


class Files:
    """All stored files by ID. The folder is deleted with this object."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fake-openai-")
        self._files: dict[str, StoredFile] = {}

    def create(self, filename: str, purpose: str, life_s: int | None = None) -> StoredFile:
        """Create an empty file. Its default lifetime depends on its purpose."""
        identity = f"file-{uuid.uuid4().hex[:24]}"
        now = int(time.time())
        life_s = life_s or (BATCH_FILE_LIFE_S if purpose.startswith("batch") else None)
        expires_at = now + life_s if life_s else None
        path = Path(self._folder.name) / identity
        path.touch()
        self._files[identity] = StoredFile(identity, path, filename, purpose, now, expires_at)
        return self._files[identity]

    def upload(self, filename: str, purpose: str, content: bytes, expires_after: Mapping[str, str]) -> StoredFile:
        """Store an uploaded file.

        Raises:
            ApiError: 400, if the purpose, name, or size is invalid.
        """
        if purpose not in PURPOSES:
            raise errors.invalid_value("purpose", purpose, PURPOSES)
        if purpose == "batch" and not filename.endswith(".jsonl"):
            raise errors.invalid("file", "Invalid file format for Batch API. Must be .jsonl", "invalid_file_format")
        limit_bytes = BATCH_FILE_LIMIT_BYTES if purpose == "batch" else FILE_LIMIT_BYTES
        if len(content) > limit_bytes:
            # ASSUME: the rule is documented, the wording of its error is not.
            message = f"File is too large for purpose '{purpose}'. Maximum size is {limit_bytes // 1024**2}MB."
            raise errors.invalid("file", message, "file_too_large")
        life = expires_after.get("seconds", "")
        if expires_after and not (expires_after.get("anchor") == "created_at" and life.isdecimal()):
            raise errors.invalid("expires_after", "Invalid 'expires_after': expected an anchor and seconds.")
        if life and not SHORTEST_LIFE_S <= int(life) <= BATCH_FILE_LIFE_S:
            raise errors.invalid("expires_after", "Invalid 'expires_after.seconds': expected 3600 to 2592000.")
        stored = self.create(filename, purpose, int(life) if life else None)
        stored.path.write_bytes(content)
        return stored

    def get(self, identity: str) -> StoredFile:
        """Return a file.

        Raises:
            ApiError: 404, if this ID is unknown.
        """
        if identity not in self._files:
            raise errors.ApiError(404, f"No such File object: {identity}", param="id")
        return self._files[identity]

    def content(self, identity: str) -> bytes | None:
        """Return a file's content; None if the ID is unknown."""
        return self._files[identity].path.read_bytes() if identity in self._files else None

    def newest_first(self, purpose: str | None) -> list[StoredFile]:
        """Return all files, or those with a purpose, newest first."""
        return [file for file in reversed(self._files.values()) if purpose in (None, file.purpose)]

    def delete(self, identity: str) -> None:
        """Remove a file.

        Raises:
            ApiError: 404, if this ID is unknown.
        """
        self.get(identity).path.unlink()
        del self._files[identity]

    def forget(self) -> None:
        """Remove all files."""
        for identity in list(self._files):
            self.delete(identity)
