"""Draws a scene as an image."""

from __future__ import annotations

from functools import lru_cache
from math import cos, radians, sin
from typing import TYPE_CHECKING

from imagemake.images.color_words import BLACK, RGB, WHITE, luminance, mixed
from imagemake.plugins.providers.preview.camera import Camera
from imagemake.plugins.providers.preview.cards import write
from imagemake.plugins.providers.preview.lettering import letter
from imagemake.plugins.providers.preview.mesh import Mesh, mesh_of, with_pattern
from imagemake.plugins.providers.preview.render import Painted, Viewport, paint, projected
from imagemake.plugins.providers.preview.scene import Scene
from imagemake.plugins.providers.preview.shadow import shadow
from imagemake.plugins.providers.preview.shapes import CARD, SHAPES
from imagemake.plugins.providers.preview.solids import Detail

if TYPE_CHECKING:
    import numpy as np
    from cv2.typing import MatLike
    from numpy.typing import NDArray
    from PIL.Image import Image

FILL = 0.62  # of the image's edges
CLOSE_UP_FILL = 1.25
LYING_FROM_DEG = 60.0  # from here on, flat products show their front
SOFT_EDGE_PX = 256  # shadow and backdrop are smooth, so they are drawn this small and enlarged
SHADOW_STRENGTH = 0.5
GRAY = 150.0
FIXED_PAINTS: dict[str, RGB] = {
    "dark": (46, 46, 51),
    "earth": (92, 68, 52),
    "flame": (255, 186, 72),
    "glow": (255, 236, 190),
    "leaf": (74, 134, 80),
    "metal": (188, 193, 199),
    "paper": (250, 248, 243),
    "wax": (252, 246, 232),
    "wood": (198, 153, 104),
}


def draw(scene: Scene) -> Image:
    """Draw a scene: RGB, or RGBA if its background is transparent."""
    from PIL import Image

    pixels = _backdrop(scene, None) if scene.blank else _imaged(scene)
    if scene.low_contrast:
        pixels = _flattened(pixels)
    image = Image.fromarray(pixels)
    if not scene.blank:
        letter(image, scene)
    return image


def _imaged(scene: Scene) -> MatLike:
    look, lying = scene.look, SHAPES[scene.shape].lies_flat and scene.view.pitch_deg > LYING_FROM_DEG
    camera = Camera.at(
        yaw_deg=scene.view.yaw_deg + look.turn_deg,
        pitch_deg=min(88.0, scene.view.pitch_deg + look.tilt_deg),
        roll_deg=look.roll_deg,
        light_deg=look.light_deg,
        light_rise=look.light_rise,
    )
    frame = Viewport(
        width_px=scene.width_px,
        height_px=scene.height_px,
        fill=(CLOSE_UP_FILL if scene.close_up else FILL) * look.size,
        shift_x=look.shift_x,
        shift_y=look.shift_y,
        oversampling=2 if max(scene.width_px, scene.height_px) <= 2048 else 1,
    )
    mesh = _mesh(scene.shape, _detail(scene), "badge" not in scene.left_out, lying)
    mesh = with_pattern(mesh, "plain" if "pattern" in scene.left_out else look.pattern)
    mesh = mesh.stretched(2 if lying else 1, look.slimness)
    seen = projected(mesh, camera, frame)
    fallen = None if "shadow" in scene.left_out else shadow(mesh, seen, frame, _soft_shape(scene))
    pixels = _laid_over(_backdrop(scene, fallen), paint(mesh, _paints(scene), seen, camera, frame))
    if scene.shape == CARD:
        write(pixels, seen.pixels[-4:], scene.subject)
    return pixels[:, ::-1] if look.mirrored else pixels


def _detail(scene: Scene) -> Detail:
    # As many faces as are distinguishable at this size.
    size_px = min(scene.width_px, scene.height_px) * (2 if scene.close_up else 1)
    if size_px < 120:
        return Detail(around=10, step=0.3)
    if scene.coarse or size_px < 300:
        return Detail(around=24, step=0.1)
    return Detail(around=48, step=0.06) if size_px < 700 else Detail(around=72, step=0.04)


# The same few shapes are drawn thousands of times; each takes at most about 2 MB.
@lru_cache(maxsize=40)
def _mesh(name: str, detail: Detail, badged: bool, lying: bool) -> Mesh:
    solids = [solid for solid in SHAPES[name].build(detail) if badged or solid.paint != "badge"]
    if lying:
        back = min(point[2] for solid in solids for ring in solid.rings for point in ring)
        solids = [solid.turned("x", -90).moved(y=-back) for solid in solids]
    return mesh_of(solids)


def _paints(scene: Scene) -> dict[str, RGB]:
    main = scene.color
    pale = luminance(main) > 200
    return FIXED_PAINTS | {
        "main": main,
        "accent": scene.accent,
        "badge": mixed(main, BLACK, 0.16) if pale else mixed(main, WHITE, 0.82),
        "inside": mixed(main, WHITE, 0.86),
        "light": mixed(main, WHITE, 0.80),
        "shade": mixed(main, BLACK, 0.5),
        "trim": mixed(main, BLACK, 0.24) if luminance(main) > 60 else mixed(main, WHITE, 0.14),
    }


def _soft_shape(scene: Scene) -> tuple[int, int]:
    shrink = max(1.0, max(scene.width_px, scene.height_px) / SOFT_EDGE_PX)
    return max(1, round(scene.height_px / shrink)), max(1, round(scene.width_px / shrink))


def _backdrop(scene: Scene, fallen: MatLike | None) -> MatLike:
    """Draw the background, (height, width, 3), with coverage as a fourth channel if it is transparent."""
    import cv2
    import numpy as np

    height, width = _soft_shape(scene)
    dark = np.zeros((height, width), np.float32) if fallen is None else fallen * np.float32(SHADOW_STRENGTH / 255)
    if scene.background is None:
        soft = np.zeros((height, width, 4), np.uint8)
        soft[..., 3] = np.round(dark * 255)
    else:
        soft = np.round(_studio(scene, height, width) * (1 - dark)[..., None]).astype(np.uint8)
    size = (scene.width_px, scene.height_px)
    return cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR)


def _studio(scene: Scene, height: int, width: int) -> NDArray[np.float32]:
    # White stays white, as shops require; other colors get a pool of light.
    import numpy as np

    assert scene.background is not None
    color = np.array(scene.background, dtype=np.float32)
    if scene.blank or scene.background == WHITE:
        return np.broadcast_to(color, (height, width, 3))
    turn = radians(scene.look.backdrop_deg)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    far = (x / width - 0.5 - 0.2 * cos(turn)) ** 2 + (y / height - 0.5 - 0.2 * sin(turn)) ** 2
    pool = np.exp(-2.2 * far)[..., None]
    lit: NDArray[np.float32] = np.clip(color * (0.86 + 0.16 * pool) + 16 * pool, 0, 255).astype(np.float32)
    return lit


def _laid_over(below: MatLike, painted: Painted) -> MatLike:
    import cv2
    import numpy as np

    height, width = painted.cover.shape
    region = below[painted.top : painted.top + height, painted.left : painted.left + width]
    if below.shape[2] == 3:
        clear = cv2.merge([255 - painted.cover] * 3)
        region[:] = cv2.add(cv2.multiply(region, clear, scale=1 / 255), painted.colors)
        return below
    # The shadow below is black, so it adds coverage and no color; PNG needs colors not multiplied by coverage.
    share = painted.cover / np.float32(255)
    cover = painted.cover + region[..., 3] * (1 - share)
    region[..., :3] = np.round(painted.colors * (255 / np.maximum(cover, 1))[..., None])
    region[..., 3] = np.round(cover)
    return below


def _flattened(pixels: MatLike) -> MatLike:
    import numpy as np

    flat = pixels.copy()
    flat[..., :3] = np.round(GRAY + (pixels[..., :3] - GRAY) * 0.06)
    return flat
