"""Paints a mesh: the farthest faces first, each in its color in the light, with a line around each part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagemake.images.color_words import RGB, luminance
from imagemake.plugins.providers.preview.camera import Camera
from imagemake.plugins.providers.preview.mesh import ACCENTED, Mesh

if TYPE_CHECKING:
    import numpy as np
    from cv2.typing import MatLike
    from numpy.typing import NDArray

SUBPIXEL_BITS = 4  # OpenCV's fixed point
GLOWING = frozenset({"flame", "glow"})
LINE_SHADE = 0.30  # how much darker than its part
LINE_LIFT = 30  # of 255; how much lighter than a dark part
DARK = 62.0


@dataclass(frozen=True, slots=True)
class Viewport:
    """The place of a product on the image.

    Attributes:
        width_px: Width of the image.
        height_px: Height of the image.
        fill: Share of the image's edge that the product fills.
        shift_x: To the right, as a share of the width.
        shift_y: Downward, as a share of the height.
        oversampling: Painted pixels per edge of a pixel.
    """

    width_px: int
    height_px: int
    fill: float
    shift_x: float
    shift_y: float
    oversampling: int

    @property
    def short_px(self) -> int:
        """The shorter edge."""
        return min(self.width_px, self.height_px)


@dataclass(frozen=True, slots=True)
class Projection:
    """The corners of a mesh on an image.

    Attributes:
        middle: Shape (3,); the point that the viewer faces.
        pixels: Shape (n_corners, 2); x and y in pixels.
        ground: Shape (n_corners, 2); where their shadows fall, in pixels.
    """

    middle: NDArray[np.float64]
    pixels: NDArray[np.float64]
    ground: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Painted:
    """A painted product, cropped to its own size.

    Attributes:
        colors: Shape (height, width, 3); red, green, blue, times coverage.
        cover: Shape (height, width); coverage, 0 to 255.
        left: The image's column of the first column.
        top: The image's row of the first row.
    """

    colors: MatLike
    cover: MatLike
    left: int
    top: int


def projected(mesh: Mesh, camera: Camera, frame: Viewport) -> Projection:
    """Place a mesh in the frame, so that it fills its share of the image."""
    import numpy as np

    middle = (mesh.corners.min(axis=0) + mesh.corners.max(axis=0)) / 2
    seen = camera.project(mesh.corners, middle)
    low, high = seen.min(axis=0), seen.max(axis=0)
    room = np.array([frame.width_px, frame.height_px], dtype=np.float64)
    scale = float((frame.fill * room / np.maximum(high - low, 1e-6)).min())
    offset = (0.5 + np.array([frame.shift_x, frame.shift_y])) * room - scale * (low + high) / 2
    fallen = mesh.corners - camera.light * (mesh.corners[:, 1:2] / camera.light[1])
    ground = camera.project(fallen, middle)
    return Projection(middle, seen * scale + offset, ground * scale + offset)


def face_colors(mesh: Mesh, paints: Mapping[str, RGB], camera: Camera) -> NDArray[np.float64]:
    """Return each face's color in the light, shape (n_faces, 3), 0 to 255."""
    import numpy as np

    base = np.array([paints[name] for name in mesh.paints], dtype=np.float64)[mesh.paint]
    glowing = np.array([name in GLOWING for name in mesh.paints])[mesh.paint][:, None]
    toward = (mesh.normals @ camera.light)[:, None]
    facing = (mesh.normals @ camera.axes[2])[:, None]
    # Half-Lambert: the light wraps around, so the far side keeps its color.
    lit = 0.74 + 0.25 * toward + 0.03 * np.maximum(facing, 0)
    shine = 0.16 * np.maximum(toward, 0) ** 4 * (255.0 - base)
    shaded: NDArray[np.float64] = np.minimum(np.where(glowing, base, base * lit + shine), 255.0)
    return shaded


def paint(mesh: Mesh, paints: Mapping[str, RGB], seen: Projection, camera: Camera, frame: Viewport) -> Painted:
    """Paint the faces toward the viewer, the farthest first, and a line at the end of each part."""
    import cv2
    import numpy as np

    over = frame.oversampling
    left, top, right, bottom = _bounds(seen.pixels, frame)
    points = np.round((seen.pixels - (left, top)) * (over << SUBPIXEL_BITS)).astype(np.int32)
    canvas = np.zeros(((bottom - top) * over, (right - left) * over, 4), dtype=np.uint8)
    order = _visible_far_to_near(mesh, seen, camera)
    # The fourth channel is the part instead of coverage, so that one pass paints both.
    inks = np.column_stack([face_colors(mesh, paints, camera)[order], mesh.part[order]]).tolist()
    for face, corners, ink in zip(order.tolist(), points[mesh.quads[order]], inks, strict=True):
        outline = mesh.outlines.get(face)
        if outline is None:
            cv2.fillConvexPoly(canvas, corners, ink, cv2.LINE_8, SUBPIXEL_BITS)
        else:
            cv2.fillPoly(canvas, [points[outline]], ink, cv2.LINE_8, SUBPIXEL_BITS)
    parts = cv2.extractChannel(canvas, 3)
    size = (right - left, bottom - top)
    cover = cv2.resize(cv2.threshold(parts, 0, 255, cv2.THRESH_BINARY)[1], size, interpolation=cv2.INTER_AREA)
    colors = cv2.cvtColor(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGBA2RGB)
    lines = cv2.resize(
        _edges(cv2.LUT(parts, _plain_parts()), frame.short_px * over / 420), size, interpolation=cv2.INTER_AREA
    )
    small_parts = np.ascontiguousarray(parts[over // 2 :: over, over // 2 :: over])
    _smooth(colors, small_parts, frame)
    lined = _lined(colors, cover, lines, cv2.LUT(small_parts, _dark_parts(mesh, paints)))
    return Painted(lined, cover, left, top)


def _bounds(pixels: NDArray[np.float64], frame: Viewport) -> tuple[int, int, int, int]:
    import numpy as np

    left, top = np.floor(pixels.min(axis=0)).astype(int) - 2
    right, bottom = np.ceil(pixels.max(axis=0)).astype(int) + 2
    return max(0, int(left)), max(0, int(top)), min(frame.width_px, int(right)), min(frame.height_px, int(bottom))


def _visible_far_to_near(mesh: Mesh, seen: Projection, camera: Camera) -> NDArray[np.int64]:
    import numpy as np

    visible = ((camera.place(seen.middle) - mesh.centers) * mesh.normals).sum(axis=1) > 0
    # Rounded, so that faces with the same point get the same depth, and the stable sort keeps their order.
    nearness = np.round((mesh.depths_from - seen.middle) @ camera.axes[2] + mesh.lift, 9)
    faces = np.flatnonzero(visible)
    order: NDArray[np.int64] = faces[np.argsort(nearness[faces], kind="stable")]
    return order


def _edges(parts: MatLike, width_px: float) -> MatLike:
    import cv2
    import numpy as np

    width = max(2, round(width_px))
    steps = cv2.morphologyEx(parts, cv2.MORPH_GRADIENT, np.ones((width, width), np.uint8))
    return cv2.threshold(steps, 0, 255, cv2.THRESH_BINARY)[1]


def _smooth(colors: MatLike, parts: MatLike, frame: Viewport) -> None:
    # Neighboring faces differ by a shade, which a blur as wide as a face turns into a gradient; not across an edge.
    import cv2

    width = 2 * round(0.007 * frame.short_px) + 1
    if width >= 3:
        cv2.copyTo(cv2.blur(colors, (width, width)), cv2.bitwise_not(_edges(parts, width)), colors)


def _plain_parts() -> MatLike:
    import numpy as np

    return np.arange(2 * ACCENTED, dtype=np.uint8) % np.uint8(ACCENTED)


def _dark_parts(mesh: Mesh, paints: Mapping[str, RGB]) -> MatLike:
    import numpy as np

    dark = np.array([luminance(paints[name]) < DARK for name in mesh.paints], dtype=np.uint8)
    table = np.zeros(2 * ACCENTED, dtype=np.uint8)
    table[mesh.part] = dark[mesh.paint] * 255
    return table


def _lined(colors: MatLike, cover: MatLike, lines: MatLike, dark: MatLike) -> MatLike:
    # On a white product on white, only this line is visible; on a black product it must be lighter.
    import cv2

    on_dark = cv2.bitwise_and(lines, dark)
    factor = 255 - cv2.convertScaleAbs(cv2.subtract(lines, on_dark), alpha=LINE_SHADE)
    lined = cv2.multiply(colors, cv2.merge([factor] * 3), scale=1 / 255)
    if not on_dark.any():
        return lined
    lighter = cv2.add(lined, cv2.merge([cv2.convertScaleAbs(on_dark, alpha=LINE_LIFT / 255)] * 3))
    return cv2.min(lighter, cv2.merge([cover] * 3))
