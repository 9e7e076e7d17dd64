"""The bundled provider: draws what a prompt says, offline and for nothing. No AI is in it, and each image says so.

It is there to try a campaign before anything is paid for: names, layout, checks, and post-processing, at any size.

It understands the color names of CSS and of shops, some twenty kinds of products (all else is a box), camera angles
(front, side, back, three-quarter, top-down, close-up), and a background ("on a sage green background", "transparent
background"). The seed turns, moves, lights, and decorates the product: other seeds give other images, and the same
recipe gives the same bytes with the same versions of Pillow, NumPy, and OpenCV.

Parameters are those of the OpenAI image models: ``size`` (WIDTHxHEIGHT of 16 to 4096 pixels, or ``auto``),
``background``, ``output_format``, ``output_compression``. ``quality`` ``low`` cuts curves more coarsely; its other
values, ``moderation``, and ``complexity`` change nothing. Any other parameter is refused.

A negative prompt takes out what these drawings have: "shadow", "text" or "watermark" (the caption, never the mark that
says what the image is), "logo" or "label" (the badge), "pattern" or "stripes". What else it names is in no drawing
anyway, and is passed over.

Reference images, and the mask after them, are small insets at the top: they show what a request sends, and change
nothing else of the drawing.

To try out what happens to bad images, a prompt can hold:

=====================  =============================================
``[blank]``            nothing but the background
``[sometimes blank]``  the same, for about half of all seeds
``[low contrast]``     all colors close to gray
``[refuse]``           no image: it is refused as moderation would
=====================  =============================================

An image too small for the mark, below some 40 pixels, has none; a blank one has nothing on it at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import FailureKind, ImageResponse, ProviderError, ReferenceProvider
from imagemake.plugins.providers.preview.options import options_of
from imagemake.plugins.providers.preview.scene import scene_of


class PreviewProvider(ReferenceProvider):
    """Draws images on this machine.

    Args:
        base_url: None: there is no server.
        timeout_s: Without meaning here, since nothing is waited for.

    Raises:
        ProviderError: `FailureKind.STOP`, if there is a base_url.
    """

    paid: ClassVar[bool] = False
    trained: ClassVar[bool] = False

    def __init__(self, *, base_url: str | None, timeout_s: float) -> None:
        super().__init__(base_url=base_url, timeout_s=timeout_s)
        if base_url is not None:
            raise ProviderError(
                f"the preview provider draws on this machine and has no server, but base_url is {base_url!r}",
                FailureKind.STOP,
                code="base_url_not_supported",
                remedy="Remove model.base_url, or choose another provider.",
            )

    async def generate(self, recipe: Recipe) -> ImageResponse:
        """Draw one image.

        Raises:
            ProviderError: `FailureKind.REFUSED`, if the recipe asks for what this model does not know.
        """
        from imagemake.plugins.providers.preview.draw import draw
        from imagemake.plugins.providers.preview.encode import encode

        return ImageResponse(encode(draw(scene_of(recipe)), options_of(recipe)))

    async def generate_from(self, recipe: Recipe, images: Mapping[str, bytes]) -> ImageResponse:
        """Draw one image with its reference images as insets.

        Raises:
            ProviderError: `FailureKind.REFUSED`, if the recipe asks for what this model does not know, or a reference
                image cannot be decoded.
        """
        from imagemake.plugins.providers.preview.draw import draw
        from imagemake.plugins.providers.preview.encode import encode
        from imagemake.plugins.providers.preview.insets import with_insets

        drawing = with_insets(draw(scene_of(recipe)), recipe, images)
        return ImageResponse(encode(drawing, options_of(recipe)))
