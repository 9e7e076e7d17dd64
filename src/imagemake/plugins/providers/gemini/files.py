"""Reference images in Gemini's batches: uploaded before the lines that name them.

Google keeps an uploaded file for 48 hours, and a batch can take as long. So an image is uploaded anew after an hour.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from imagemake.plugins.providers.failures import FailureKind, ProviderError
from imagemake.plugins.providers.gemini.client import OWN_ADDRESS, GeminiClient, checked_name
from imagemake.plugins.providers.gemini.requests import file_part
from imagemake.plugins.providers.http.images import media_type

REUSED_FOR_S = 3600.0
PROCESSING_S = 1.0  # between looks at a file that is not ready yet
# To count the bytes of lines: as long as the longest address and type.
_PLACEHOLDER = file_part(f"{OWN_ADDRESS}/files/{'0' * 40}", "image/jpeg")


class UploadedImages:
    """The images that one client has uploaded."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[dict[str, Any], float]] = {}  # by digest, with the time of the upload

    async def upload(self, client: GeminiClient, digest: str, content: bytes) -> None:
        """Upload an image and wait until it can be used, unless an earlier upload is young enough.

        Raises:
            ProviderError: If the server does not accept it.
        """
        known = self._parts.get(digest)
        if known is not None and time.monotonic() - known[1] < REUSED_FOR_S:
            return
        started, mime_type = time.monotonic(), media_type(content)
        file: Mapping[str, Any] = await client.upload(content, len(content), mime_type, "reference")
        name = checked_name(str(file["name"]))
        while file.get("state") == "PROCESSING":
            if time.monotonic() - started > client.timeout_s:
                raise ProviderError(f"{name} is not ready after {client.timeout_s:g} s", FailureKind.UNAVAILABLE)
            await asyncio.sleep(PROCESSING_S)
            file = await client.call("GET", name)
        if file.get("state") == "FAILED" or not isinstance(file.get("uri"), str):
            raise ProviderError("Google does not accept a reference image", FailureKind.REFUSED, code="FILE_FAILED")
        self._parts[digest] = file_part(file["uri"], mime_type), started

    def part(self, digest: str) -> dict[str, Any]:
        """Return the part of a line that names an image."""
        return self._parts[digest][0] if digest in self._parts else _PLACEHOLDER
