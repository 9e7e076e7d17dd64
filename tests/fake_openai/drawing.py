"""Pixels that look vaguely like a photograph: lit objects on shelves in front of a colored, grainy wall.

An image is a stack of bands that are drawn separately. Every band fades to the same gray at its upper and
lower edge, so any band can stand above any other, and its colors differ at the scale that perceptual hashes look at.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fake_openai.chance import digest

Pixels = NDArray[np.uint8]

BANDS = 8
SHELF_GRAY = 128.0
GRAIN_LEVELS = 2.5


def band_height_px(height_px: int) -> int:
    """Return the height of every band but the last: a multiple of 16 from 256 pixels on, which JPEG blocks require."""
    # Small images are not assembled from JPEG blocks, but have eight bands too.
    step_px = 16 if height_px >= 256 else 8
    return math.ceil(height_px / BANDS / step_px) * step_px


def band_heights_px(height_px: int) -> list[int]:
    """Return the heights of an image's bands from top to bottom."""
    height = band_height_px(height_px)
    return [min(height, height_px - top) for top in range(0, height_px, height)]


_GRAIN = np.random.default_rng(0).normal(0, GRAIN_LEVELS, 1 << 20).astype(np.float32)


def draw_band(width_px: int, height_px: int, variant: int, transparent: bool) -> Pixels:
    """Draw a band.

    Args:
        width_px: Width.
        height_px: Height.
        variant: Any number. Equal numbers give equal bands.
        transparent: Whether the wall is cut out.

    Returns:
        Shape (height, width, 3), RGB, or (height, width, 4) with an alpha channel where the wall is transparent.
    """
    rng = np.random.default_rng(list(digest("band", variant)))
    x = np.linspace(0, 1, width_px, dtype=np.float32)
    y = (np.arange(height_px, dtype=np.float32) + 0.5) / height_px
    # Brightness runs along the shelf in slow waves, and hues in slower ones.
    waves = np.zeros((width_px, 3), np.float32)
    for _ in range(4):
        wave = np.cos(2 * np.pi * (rng.uniform(0.2, 4) * x + rng.uniform()), dtype=np.float32)
        waves += wave[:, None] * (rng.normal(0, 26) + rng.normal(0, 14, 3)).astype(np.float32)
    waves += (rng.normal(0, 24) + rng.normal(0, 18, 3)).astype(np.float32)
    fade = np.sqrt(np.sin(np.pi * y, dtype=np.float32))
    canvas = np.float32(SHELF_GRAY) + fade[:, None, None] * waves[None]
    alpha = np.zeros((height_px, width_px), np.uint8)
    for _ in range(int(rng.integers(2, 5))):
        _draw_ball(canvas, alpha, rng)
    canvas += _grain(canvas.size, rng).reshape(canvas.shape)
    pixels = canvas.clip(0, 255).astype(np.uint8)
    return np.dstack([pixels, alpha]) if transparent else pixels


def _grain(size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    if size >= _GRAIN.size:
        return np.resize(_GRAIN, size)
    start = int(rng.integers(_GRAIN.size - size))
    return _GRAIN[start : start + size]


def _draw_ball(canvas: NDArray[np.float32], alpha: Pixels, rng: np.random.Generator) -> None:
    height, width = alpha.shape
    radius = rng.uniform(0.28, 0.46) * min(height, width)
    center_x, center_y = rng.uniform(radius, max(width - radius, radius + 1)), height - radius - 1
    left, right = max(0, int(center_x - radius)), min(width, int(center_x + radius) + 2)
    top = max(0, int(center_y - radius))
    u = (np.arange(left, right, dtype=np.float32) - center_x)[None, :] / radius
    v = (np.arange(top, height, dtype=np.float32) - center_y)[:, None] / radius
    inside = u * u + v * v <= 1
    depth = np.sqrt(np.clip(1 - u * u - v * v, 0, 1))
    light = 0.25 + 0.75 * np.clip(-0.45 * u - 0.55 * v + 0.7 * depth, 0, 1)
    color = rng.uniform(40, 255, 3).astype(np.float32)
    canvas[top:height, left:right][inside] = (light[..., None] * color)[inside]
    alpha[top:height, left:right][inside] = 255
