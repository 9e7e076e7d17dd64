"""The Lanczos filter: as exact as Pillow's, with the same bytes on every processor."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imagemake.images import lanczos

SIZES = [(96, 64), (200, 133), (299, 200), (450, 310)]


def drawn(mode="RGB"):
    noise = np.random.default_rng(3).integers(0, 256, (20, 30, len(mode)), dtype=np.uint8)
    return Image.fromarray(noise).resize((300, 200), Image.Resampling.BICUBIC)


def in_floating_point(image, size, box=None):
    bands = [Image.fromarray(np.asarray(band, np.float32)) for band in image.split()]
    resized = [np.asarray(band.resize(size, Image.Resampling.LANCZOS, box=box)) for band in bands]
    return np.stack(resized, axis=-1).clip(0, 255)


@pytest.mark.parametrize("box", [None, (10.5, 20.25, 290.5, 180.0)])
@pytest.mark.parametrize("size", SIZES)
def test_colors_are_those_of_the_filter_in_floating_point(size, box):
    image = drawn()
    difference = np.asarray(lanczos.resized(image, size, box), np.float64) - in_floating_point(image, size, box)
    inner = difference[4:-4, 4:-4] if box else difference  # beside a box, Pillow's filter also sees what is cut off
    assert np.sqrt((inner**2).mean()) < 0.5  # Pillow's is 0.4: both round twice
    assert abs(inner.mean()) < 0.05


def test_transparent_pixels_lend_no_color_to_their_neighbors():
    image = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (30, 30, 70, 70))
    resized = np.asarray(lanczos.resized(image, (37, 37)))
    assert resized[resized[..., 3] > 0][:, 0].max() <= 1
    assert resized[..., 3].max() == 255
    assert resized[..., 3].min() == 0


@pytest.mark.skipif(not lanczos.HAS_CYKOOZ, reason="no package for this processor")
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_bytes_do_not_depend_on_what_the_processor_can_do(mode, monkeypatch):
    from cykooz_resizer import CpuExtensions, Resizer

    class Plain(Resizer):
        def __init__(self):
            super().__init__()
            self.cpu_extensions = CpuExtensions.none

    image = drawn(mode)
    fast = [lanczos.resized(image, size).tobytes() for size in SIZES]
    monkeypatch.setattr("cykooz_resizer.Resizer", Plain)
    assert [lanczos.resized(image, size).tobytes() for size in SIZES] == fast


def test_an_image_of_the_wanted_size_stays_as_it_is():
    image = drawn()
    assert lanczos.resized(image, image.size) is image
