"""Reference images as small insets at the top of a drawing, so that a pilot shows which ones a request sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from imagemake.core.recipe import Recipe
from imagemake.images.decoded import Undecodable, decode_image
from imagemake.plugins.providers.preview.options import refused

if TYPE_CHECKING:
    from PIL.Image import Image

SHARE = 0.22  # of the drawing's short edge; many insets share its width
MARGIN_SHARE = 0.03
FRAME = (90, 90, 90)
MASK_FRAME = (214, 40, 90)
GROUND = (255, 255, 255)


def with_insets(image: Image, recipe: Recipe, images: Mapping[str, bytes]) -> Image:
    """Add the reference images to a drawing, in order from the left; the mask comes last, in another frame.

    Raises:
        ProviderError: `FailureKind.REFUSED`, if one cannot be decoded.
    """
    from PIL import Image as Pillow

    margin_px = max(1, round(min(image.size) * MARGIN_SHARE))
    room_px = (image.width - margin_px) // len(recipe.files) - margin_px
    edge_px = max(3, min(round(min(image.size) * SHARE), room_px))
    for place, digest in enumerate(recipe.files):
        inset = Pillow.new("RGB", (edge_px, edge_px), MASK_FRAME if digest == recipe.mask else FRAME)
        small = _small(images[digest], edge_px - 2)
        inset.paste(GROUND, (1, 1, edge_px - 1, edge_px - 1))
        inset.paste(small, _middle(edge_px, small), small if small.mode == "RGBA" else None)
        image.paste(inset, (margin_px + place * (edge_px + margin_px), margin_px))
    return image


def _small(data: bytes, edge_px: int) -> Image:
    try:
        image = decode_image(data).pil
    except Undecodable as error:
        raise refused(f"a reference image cannot be read: {error.reason}", "invalid_image_file") from error
    scale = edge_px / max(image.size)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))


def _middle(edge_px: int, small: Image) -> tuple[int, int]:
    return (edge_px - small.width) // 2, (edge_px - small.height) // 2
