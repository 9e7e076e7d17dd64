"""Likeness of a reproduced image and the original."""

from __future__ import annotations

import pytest
from image_files import saved
from PIL import Image, ImageDraw

from imagemake.store.store import Store
from imagemake.versions.reproduce import Likeness, ReproductionStore, compare

KEY, OTHER_KEY = "a" * 64, "b" * 64


def a_mug(color="teal", left_px=30):
    image = Image.new("RGB", (128, 96), "white")
    ImageDraw.Draw(image).ellipse((left_px, 20, left_px + 50, 80), fill=color)
    return image


@pytest.mark.parametrize(
    ("again", "likeness"),
    [
        (saved(a_mug(), "PNG"), Likeness.SAME_BYTES),
        (saved(a_mug(), "PNG", compress_level=0), Likeness.SAME_PIXELS),
        (saved(a_mug(), "JPEG", quality=90), Likeness.NEAR),
        (saved(a_mug("crimson"), "PNG"), Likeness.DIFFERENT),
        (saved(a_mug(left_px=70), "PNG"), Likeness.DIFFERENT),
    ],
)
def test_it_is_told_how_near_an_image_comes_again(tmp_path, again, likeness):
    store, second = Store(tmp_path), ReproductionStore(tmp_path)
    stored = store.raw.put(KEY, saved(a_mug(), "PNG"), durable=False)
    found = compare(store, stored, second, second.raw.put(OTHER_KEY, again, durable=False))
    assert found.likeness is likeness
    assert (found.distance is None) == (likeness is Likeness.SAME_BYTES)


def test_its_shelf_is_not_that_of_what_is_released(tmp_path):
    second = ReproductionStore(tmp_path)
    second.raw.put(KEY, b"bytes", durable=False)
    assert Store(tmp_path).raw.find(KEY) is None
    assert second.journal_folder == Store(tmp_path).journal_folder
