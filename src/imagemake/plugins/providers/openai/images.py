"""Reference images in OpenAI's batches: uploaded once, then referred to by file ID in each line.

The JSON form of ``/v1/images/edits`` (`EditImageBodyJsonParam` in OpenAI's specification) also accepts images as
data URLs, but a file of requests is limited to 200 MB: at 5 MB per image, 30 lines.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from imagemake.core.recipe import Recipe
from imagemake.images.formats import FORMATS, format_of
from imagemake.plugins.providers.failures import FailureKind, ProviderError
from imagemake.plugins.providers.http.answers import parsed
from imagemake.plugins.providers.openai.batch_state import is_id
from imagemake.plugins.providers.openai.errors import translated_errors

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._legacy_response import LegacyAPIResponse
    from openai.types import FileObject

# A batch takes up to a day, and a later batch of the same job can refer to images that are a day old. The provider
# deletes them after that, so a killed run leaves nothing behind.
REUSED_FOR_S = 24 * 3600
KEPT_FOR_S = 3 * 24 * 3600
# ASSUME: among the SDK's purposes, the one in OpenAI's guide to image input.
PURPOSE: Literal["vision"] = "vision"
PLACEHOLDER = "file-" + "0" * 59  # to count the bytes of lines; longer than any known ID


def file_tuple(name: str, content: bytes) -> tuple[str, bytes, str]:
    """Return an image as the SDK accepts files: a neutral name, the bytes, and their media type."""
    kind = format_of(content)  # the API trusts the declared type, not the bytes
    return f"{name}.{kind}", content, FORMATS[kind].media_type


async def uploaded_id(upload: Awaitable[LegacyAPIResponse[FileObject]]) -> str:
    """Wait for an upload, and return the ID of the file.

    Raises:
        ProviderError: If it failed, or the response names no file.
    """
    with translated_errors():
        response = await upload
    file = parsed(response.content)
    name = file.get("id") if isinstance(file, Mapping) else None
    if not isinstance(name, str) or not is_id(name):
        raise ProviderError("the upload ended without the ID of a file", FailureKind.UNAVAILABLE)
    return name


class UploadedImages:
    """The images that one client has uploaded."""

    def __init__(self) -> None:
        self._ids: dict[str, tuple[str, float]] = {}  # by digest, with the time of the upload

    async def upload(self, client: AsyncOpenAI, digest: str, content: bytes) -> None:
        """Upload an image, unless an earlier upload stays available for long enough."""
        known = self._ids.get(digest)
        if known is not None and time.monotonic() - known[1] < REUSED_FOR_S:
            return
        started = time.monotonic()
        name = await uploaded_id(
            client.files.with_raw_response.create(
                file=file_tuple("reference", content),
                purpose=PURPOSE,
                expires_after={"anchor": "created_at", "seconds": KEPT_FOR_S},
            )
        )
        self._ids[digest] = name, started

    def fields(self, recipe: Recipe) -> dict[str, Any]:
        """Return the fields of a line for its reference images and mask."""
        fields: dict[str, Any] = {"images": [self._named(digest) for digest in recipe.references]}
        if recipe.mask is not None:
            fields["mask"] = self._named(recipe.mask)
        return fields

    def _named(self, digest: str) -> dict[str, str]:
        return {"file_id": self._ids[digest][0] if digest in self._ids else PLACEHOLDER}
