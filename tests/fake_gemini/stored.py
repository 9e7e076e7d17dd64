"""Files at the stand-in: uploaded in one piece by the resumable protocol, or made by batches."""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import dataclass, field
from typing import Any

from fake_gemini.requests import ApiError


@dataclass(slots=True)
class Stored:
    """A file."""

    name: str
    mime_type: str
    display_name: str = ""
    content: bytes = b""
    is_generated: bool = False

    def as_dict(self, address: str) -> dict[str, Any]:
        """Return the API's `File`."""
        found = {
            "name": self.name,
            "displayName": self.display_name,
            "mimeType": self.mime_type,
            "sizeBytes": str(len(self.content)),
            "createTime": "2026-11-27T08:00:00.000000Z",
            "sha256Hash": base64.b64encode(hashlib.sha256(self.content).hexdigest().encode()).decode(),
            "uri": f"{address}/v1beta/{self.name}",
            "state": "ACTIVE",
            "source": "GENERATED" if self.is_generated else "UPLOADED",
        }
        if self.is_generated:
            found["downloadUri"] = f"{address}/v1beta/{self.name}:download?alt=media"
        return found


@dataclass(slots=True)
class Files:
    """All files by name."""

    files: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, tuple[Stored, int]] = field(default_factory=dict)  # by ID, with the length that was announced
    deleted: list[str] = field(default_factory=list)

    def start(self, mime_type: str, display_name: str, size: int) -> str:
        """Begin an upload and return its ID."""
        identity = uuid.uuid4().hex
        self.uploads[identity] = (Stored(_name(), mime_type, display_name), size)
        return identity

    def finish(self, identity: str, content: bytes) -> Stored:
        """End an upload."""
        file, size = self.uploads.pop(identity)
        if len(content) != size:
            raise ApiError(400, "INVALID_ARGUMENT", f"{len(content)} bytes came, and {size} were announced.")
        file.content = content
        self.files[file.name] = file
        return file

    def generate(self, name: str, content: bytes) -> Stored:
        """Keep a file that a batch made."""
        file = Stored(name, "application/jsonl", content=content, is_generated=True)
        self.files[file.name] = file
        return file

    def get(self, name: str) -> Stored:
        """Return a file.

        Raises:
            ApiError: 403, as the API says of a file that is not there.
        """
        if name not in self.files:
            raise ApiError(403, "PERMISSION_DENIED", f"You do not have permission to access the File {name}.")
        return self.files[name]

    def delete(self, name: str) -> None:
        """Delete a file."""
        self.get(name)
        del self.files[name]
        self.deleted.append(name)

    def content_of(self, uri: str) -> bytes | None:
        """Return what a part of a request names by its address; None if it is not there."""
        file = self.files.get("files/" + uri.rpartition("/files/")[2])
        return file.content if file else None


def _name() -> str:
    return f"files/{uuid.uuid4().hex[:12]}"
