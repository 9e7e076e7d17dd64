"""The shadow of a product on the ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagemake.plugins.providers.preview.mesh import Mesh
from imagemake.plugins.providers.preview.render import SUBPIXEL_BITS, Projection, Viewport

if TYPE_CHECKING:
    from cv2.typing import MatLike


def shadow(mesh: Mesh, seen: Projection, frame: Viewport, shape: tuple[int, int]) -> MatLike:
    """Draw the shadow on the ground: soft where it is cast, darker and sharper where the product stands.

    Args:
        mesh: The product.
        seen: Where the shadows of its corners fall.
        frame: The viewport of the whole image.
        shape: (height, width) of the result, which may be smaller than the image.

    Returns:
        Shape as given; 0 is none, 255 is full.
    """
    import cv2
    import numpy as np

    factor = np.array([shape[1] / frame.width_px, shape[0] / frame.height_px])
    cast, contact = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.uint8)
    points = np.round(seen.ground * factor * (1 << SUBPIXEL_BITS)).astype(np.int32)
    for canvas, solids, strength in ((cast, mesh.casting, 125), (contact, mesh.standing, 200)):
        for rows in solids:
            cv2.fillConvexPoly(canvas, cv2.convexHull(points[rows]), strength, cv2.LINE_AA, SUBPIXEL_BITS)
    size_px = float(np.ptp(seen.pixels, axis=0).max() * factor.min())
    soft = cv2.stackBlur(cast, _width_px(0.24 * size_px))
    firm = cv2.stackBlur(contact, _width_px(0.09 * size_px))
    return cv2.max(soft, firm)


def _width_px(width_px: float) -> tuple[int, int]:
    odd = 2 * max(1, round(width_px / 2)) + 1
    return odd, odd
