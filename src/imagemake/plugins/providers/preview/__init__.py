"""The bundled provider draws the product that a prompt names, offline and for free, without AI; each image says so.

Use it to try a campaign before paying for images: names, layout, checks, and postprocessing, at any size.

It understands the color names of CSS and of shops, about twenty kinds of products (anything else is a box), camera
angles (front, side, back, three-quarter, top-down, close-up), and a background ("on a sage green background",
"transparent background"). The seed turns, moves, lights, and decorates the product: other seeds give other images, and
the same recipe gives the same bytes with the same versions of Pillow, NumPy, and OpenCV.

Its parameters are those of the OpenAI image models: ``size`` (WIDTHxHEIGHT of 16 to 4096 pixels, or ``auto``),
``background``, ``output_format``, ``output_compression``. ``quality`` ``low`` draws curves more coarsely; its other
values, ``moderation``, and ``complexity`` have no effect. Any other parameter is rejected.

A negative prompt removes parts of the drawing: "shadow", "text" or "watermark" (the caption, never the mark that says
what the image is), "logo" or "label" (the badge), "pattern" or "stripes". Other words have no effect.

Reference images, followed by the mask, appear as small insets at the top. They show what a request sends, and change
nothing else.

To test how bad images are handled, put one of these into a prompt:

=====================  =============================================
``[blank]``            nothing but the background
``[sometimes blank]``  the same, for about half of all seeds
``[low contrast]``     all colors close to gray
``[refuse]``           no image: rejected as if by moderation
=====================  =============================================

An image below about 40 pixels is too small for the mark and has none; a blank image shows nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import (
    Connection,
    FailureKind,
    ImageResponse,
    ProviderError,
    ReferenceProvider,
    SeedUse,
)
from imagemake.plugins.providers.preview.options import options_of
from imagemake.plugins.providers.preview.scene import scene_of


class PreviewProvider(ReferenceProvider):
    """Draws images on this machine.

    Args:
        connection: Its base_url must be None, because there is no server.

    Raises:
        ProviderError: `FailureKind.STOP`, if base_url is set.
    """

    paid: ClassVar[bool] = False
    trained: ClassVar[bool] = False

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        if connection.base_url is not None:
            raise ProviderError(
                f"the preview provider has no server, but base_url is {connection.base_url!r}",
                FailureKind.STOP,
                code="base_url_not_supported",
                remedy="Remove model.base_url, or choose another provider.",
            )

    def seed_use(self, model: str) -> SeedUse:
        """Every image depends on its seed."""
        return SeedUse.SENT

    async def generate(self, recipe: Recipe) -> ImageResponse:
        """Draw one image.

        Raises:
            ProviderError: `FailureKind.REFUSED`, if the recipe contains something unknown.
        """
        from imagemake.plugins.providers.preview.draw import draw
        from imagemake.plugins.providers.preview.encode import encode

        return ImageResponse(encode(draw(scene_of(recipe)), options_of(recipe)))

    async def generate_from(self, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
        """Draw one image with its reference images as insets.

        Raises:
            ProviderError: `FailureKind.REFUSED`, if the recipe contains something unknown, or a reference image
                cannot be decoded.
        """
        from imagemake.plugins.providers.preview.draw import draw
        from imagemake.plugins.providers.preview.encode import encode
        from imagemake.plugins.providers.preview.insets import with_insets

        drawing = with_insets(draw(scene_of(recipe)), recipe, images)
        return ImageResponse(encode(drawing, options_of(recipe)))
