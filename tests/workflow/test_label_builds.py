"""The visible label of the page about provenance is on the files that are to have it, where it is to be."""

import numpy as np
from label_of_page import LABEL, PICTURE, build, side_by_side
from PIL import Image

MARGIN = 0.03


def test_the_label_is_at_the_top_left_of_the_public_file_and_the_rest_is_the_same_image(preview):
    plain, labeled = build(preview())
    assert plain.size == labeled.size == (512, 512)
    before, after = (np.asarray(image, dtype=int) for image in (plain, labeled))
    left = top = round(MARGIN * 512)
    width, height = round(0.18 * 512), round(0.18 * 512 * 96 / 240)
    inside = slice(top, top + height), slice(left, left + width)
    label = Image.open(LABEL).resize((width, height), Image.Resampling.LANCZOS)
    expected = plain.convert("RGBA")
    expected.alpha_composite(label, (left, top))
    drawn = np.asarray(expected.convert("RGB"), dtype=int)[inside]
    assert np.abs(after[inside] - drawn).mean() < 4, "the label itself, but for JPEG"
    assert np.abs(after[inside] - before[inside]).mean() > 60
    around = np.ones((512, 512), bool)
    around[max(0, top - 16) : top + height + 16, max(0, left - 16) : left + width + 16] = False
    assert np.abs(after - before)[around].max() <= 2

    # The page shows just these files; decoders of other versions may differ by a level.
    shown = np.asarray(Image.open(PICTURE).convert("RGB"), dtype=int)
    made = np.asarray(side_by_side(plain, labeled), dtype=int)
    assert shown.shape == made.shape
    assert np.abs(shown - made).mean() < 2
