"""Reference images, masks and markups: what may be sent, and what of it decides the answer."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageOps

from fake_openai import errors

MOST_IMAGES = 16
IMAGE_LIMIT_BYTES = 50 * 1024**2
MASK_LIMIT_BYTES = 4 * 1024**2
TAGS = re.compile(r"tags=([a-z_,]+)")
MIME_TYPES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came.

    Attributes:
        name: The field's name.
        mime_type: As the caller says.
        content: Its bytes.
        file_name: As the caller says; nothing where it came without one.
    """

    name: str
    mime_type: str
    content: bytes
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """An image that was checked.

    Attributes:
        digest: SHA-256 of the file.
        width_px: Width after orientation.
        height_px: Height after orientation.
        has_holes: Whether some pixel is fully transparent.
        content: Its bytes.
        tags: What the stand-in planted in it.
    """

    digest: str
    width_px: int
    height_px: int
    has_holes: bool
    content: bytes = b""
    tags: frozenset[str] = frozenset()


def uploads_of_json(body: dict[str, Any], stored: Callable[[str], bytes | None]) -> list[Upload]:
    """Take the images out of the JSON form: `images` and `mask`, each with an `image_url` or a `file_id`.

    Args:
        body: The parsed body; the two are removed from it.
        stored: Gives a stored file's bytes by its id.

    Raises:
        ApiError: If an image is not given in one of these ways.
    """
    images = body.pop("images", None) or []
    if not isinstance(images, list):
        raise errors.invalid("images", "Invalid type for 'images': expected an array of objects.", "invalid_type")
    uploads = [_upload_of_reference("image", f"images[{index}]", item, stored) for index, item in enumerate(images)]
    mask = body.pop("mask", None)
    if mask is not None:
        uploads.append(_upload_of_reference("mask", "mask", mask, stored))
    return uploads


def _upload_of_reference(name: str, param: str, item: object, stored: Callable[[str], bytes | None]) -> Upload:
    if not isinstance(item, Mapping) or len({"image_url", "file_id"} & set(item)) != 1:
        raise errors.invalid(param, f"Invalid '{param}': provide exactly one of 'image_url' and 'file_id'.")
    if "file_id" in item:
        content = stored(str(item["file_id"]))
        if content is None:
            raise errors.invalid(f"{param}.file_id", f"No such File object: {item['file_id']}")
        return Upload(name, _mime_type(content), content)
    head, _, data = str(item["image_url"]).partition(",")
    if not head.startswith("data:") or not head.endswith(";base64"):
        # ASSUME: the API would fetch it; this server fetches nothing.
        raise errors.invalid(f"{param}.image_url", "Failed to download image: only data URLs work here.")
    try:
        content = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise errors.invalid(f"{param}.image_url", "Invalid base64 image_url.", "invalid_base64") from error
    return Upload(name, head[len("data:") : -len(";base64")], content)


def _mime_type(content: bytes) -> str:
    try:
        with Image.open(io.BytesIO(content)) as image:
            return {kind: mime for mime, kind in MIME_TYPES.items()}.get(image.format or "", "application/octet-stream")
    except OSError:
        return "application/octet-stream"


def check_references(uploads: Sequence[Upload]) -> tuple[list[Reference], list[Reference]]:
    """Check reference images, mask and markup against the API's limits.

    Returns:
        The reference images; and the mask or the markup, where there is one.

    Raises:
        ApiError: For the first invalid parameter.
    """
    images = [upload for upload in uploads if upload.name == "image"]
    overlays = [upload for upload in uploads if upload.name != "image"]
    if not images:
        raise errors.missing_parameter("image")
    if len(images) > MOST_IMAGES:
        raise errors.invalid(
            "image",
            f"Invalid 'image': array too long. Expected an array with maximum length {MOST_IMAGES}, but got an array "
            f"with length {len(images)} instead.",
            "array_above_max_length",
        )
    checked = [_check(upload, number, tuple(MIME_TYPES), IMAGE_LIMIT_BYTES) for number, upload in enumerate(images, 1)]
    if len(overlays) > 1:
        raise errors.invalid("markup", "The parameters 'mask' and 'markup' cannot be combined.")
    for overlay in overlays:
        found = _check(overlay, 1, ("image/png",), MASK_LIMIT_BYTES)
        if (found.width_px, found.height_px) != (checked[0].width_px, checked[0].height_px):
            raise errors.invalid(
                overlay.name, f"Invalid {overlay.name} image format - {overlay.name} size does not match image size"
            )
        if not found.has_holes:
            raise errors.invalid(overlay.name, f"Invalid {overlay.name} image format - no transparent pixels")
        return checked, [found]
    return checked, []


def _check(upload: Upload, number: int, mime_types: Sequence[str], limit_bytes: int) -> Reference:
    if upload.mime_type not in mime_types:
        raise errors.invalid(
            upload.name,
            f"Invalid file '{upload.name}': unsupported mimetype ('{upload.mime_type}'). Supported file formats are "
            f"{errors.quoted_list(mime_types)}.",
            "unsupported_file_mimetype",
        )
    if len(upload.content) >= limit_bytes:
        # ASSUME: the rule is documented, the wording of its error is not.
        raise errors.invalid(
            upload.name,
            f"Invalid file '{upload.name}': the file must be smaller than {limit_bytes // 1024**2}MB.",
            "file_too_large",
        )
    try:
        with Image.open(io.BytesIO(upload.content), formats=list(MIME_TYPES.values())) as image:
            tags = tags_of(image)
            upright = ImageOps.exif_transpose(image)
            upright.load()
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise errors.invalid(
            upload.name,
            f"Invalid image file or mode for image {number}, please check your image file.",
            "invalid_image_file",
        ) from error
    lowest = upright.getchannel("A").getextrema()[0] if "A" in upright.getbands() else 255
    digest = hashlib.sha256(upload.content).hexdigest()
    return Reference(digest, upright.width, upright.height, lowest == 0, upload.content, tags)


def tags_of(image: Image.Image) -> frozenset[str]:
    """Return the tags that the stand-in planted in an image."""
    found = TAGS.search(str(image.info.get("Comment") or image.info.get("comment") or ""))
    return frozenset(found[1].split(",")) if found else frozenset()
