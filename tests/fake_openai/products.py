"""Images of what the prompt says, drawn by the preview provider: for people who look at review and diff."""

from __future__ import annotations

import base64

import numpy as np

from fake_openai.encoding import encode
from fake_openai.studio import Spec
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers.preview.draw import draw
from imagemake.plugins.providers.preview.scene import scene_of


def product(prompt: str, spec: Spec, identity: bytes, comment: str) -> bytes:
    """Draw a product.

    Args:
        prompt: What it is.
        spec: Properties of the file.
        identity: Decides the look, as a seed would; the API has none.
        comment: ASCII text that makes the file unique.

    Returns:
        The file in base64.
    """
    parameters = {
        "size": f"{spec.width_px}x{spec.height_px}",
        "background": "transparent" if spec.transparent else "auto",
        "output_format": spec.output_format,
    }
    seed = int.from_bytes(identity[:4], "big") >> 1
    recipe = Recipe("preview", "preview-1", prompt, seed, parameters)
    scene = scene_of(recipe)
    pixels = np.asarray(draw(scene), dtype=np.uint8)
    return base64.b64encode(encode(pixels, spec.output_format, spec.compression, comment))
