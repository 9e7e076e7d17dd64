"""Pictures on their way into a pipeline and out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

from imagemake.core.fingerprint import fingerprint
from imagemake.images.decoded import Undecodable, decode_image
from imagemake.plugins.providers.failures import FailureKind, ProviderError

if TYPE_CHECKING:
    from PIL.Image import Image

    from imagemake.plugins.providers.diffusers.order import Order


def png_of(image: Image) -> bytes:
    """Encode a picture without loss and without metadata: the same pixels are the same bytes."""
    with BytesIO() as file:
        image.save(file, "PNG", compress_level=1)  # the default takes five times as long, for a few percent
        return file.getvalue()


def with_pictures(order: Order, images: Mapping[str, bytes]) -> Order:
    """Return an order with its reference images and its mask, in the size that was asked for.

    Args:
        order: The order.
        images: The files, by SHA-256.

    Raises:
        ProviderError: `FailureKind.NOT_RETRYABLE`, if one cannot be decoded.
    """
    recipe = order.recipe
    pictures = tuple(_sized(_decoded(images[one]).convert("RGB"), order.size) for one in recipe.references)
    mask = None
    if recipe.mask is not None:
        alpha = _decoded(images[recipe.mask]).convert("RGBA").getchannel("A")
        # Pipelines paint where a mask is white; in the file, these places are transparent.
        mask = _sized(alpha.point(lambda level: 255 - level), pictures[0].size)
    # Only pictures of one size fit into a batch.
    kin = fingerprint([order.kin, [picture.size for picture in pictures]])
    return replace(order, pictures=pictures, mask=mask, kin=kin)


def _decoded(file: bytes) -> Image:
    try:
        return decode_image(file).pil
    except Undecodable as error:
        what = f"a reference image cannot be decoded: {error.reason}"
        raise ProviderError(what, FailureKind.NOT_RETRYABLE, code="reference") from error


def _sized(image: Image, size: tuple[int, int] | None) -> Image:
    from PIL.Image import Resampling

    return image if size in (None, image.size) else image.resize(size, Resampling.LANCZOS)
