"""Masks of repairs: transparent where the image may change, and the same bytes on every machine."""

import io

import numpy as np
from PIL import Image

from imagemake.images.repair_mask import Box, RepairMask
from imagemake.images.subject_fields import SIDE, boxes_around_subject, boxes_of_subject, fields_of

IMAGE = "a" * 64


def mask_of(*boxes, size_px=(640, 320)):
    return RepairMask.around(IMAGE, ["text.share"], size_px, boxes)


def is_open(mask):
    png = Image.open(io.BytesIO(mask.png()))
    assert (png.mode, png.size) == ("RGBA", mask.size_px)
    alpha = np.asarray(png.getchannel("A"))
    assert set(np.unique(alpha)) <= {0, 255}
    return alpha == 0


def test_it_is_transparent_in_the_boxes_with_a_margin_and_nowhere_else():
    found = is_open(mask_of(Box(0.25, 0.5, 0.5, 0.75)))
    assert found[160:240, 160:320].all(), "the box"
    assert found[155:245, 150:330].all(), "a 64th of each side around it"
    found[155:245, 150:330] = False
    assert not found.any()


def test_it_stays_within_the_image():
    found = is_open(mask_of(Box(0, 0, 0.1, 0.1), Box(0.9, 0.9, 1, 1)))
    assert found[0, 0]
    assert found[-1, -1]
    assert mask_of(Box(0, 0, 1, 1)).boxes_px == ((0, 0, 640, 320),)


def test_a_box_that_a_network_finds_a_pixel_elsewhere_is_the_same_mask():
    assert mask_of(Box(0.26, 0.51, 0.49, 0.74)).digest == mask_of(Box(0.2612, 0.5107, 0.4893, 0.7401)).digest


def test_the_digest_of_a_mask_never_changes_since_it_is_in_keys():
    mask = mask_of(Box(0.25, 0.5, 0.5, 0.75), size_px=(1024, 1024))
    assert mask.digest == "ed7e27b2991a86c6451e9180de055e4aa5ebf41d7dc47869803557199d840bc5"
    assert RepairMask.from_bytes(mask.as_bytes()) == mask


def test_what_is_around_the_subject_and_the_subject_itself_never_meet():
    subject = np.zeros((256, 256), bool)
    subject[64:128, 100:140] = True
    fields = fields_of(subject)
    own, around = (np.zeros((SIDE, SIDE), int) for _ in range(2))
    for found, boxes in ((own, boxes_of_subject(fields)), (around, boxes_around_subject(fields))):
        for box in boxes:
            left, top, right, bottom = (round(SIDE * side) for side in box)
            found[top:bottom, left:right] += 1
    assert np.array_equal(own, (subject.reshape(SIDE, 8, SIDE, 8).any(axis=(1, 3))).astype(int))
    assert around.max() == 1
    near = np.pad(own, 1)
    near = sum(near[y : y + SIDE, x : x + SIDE] for y in range(3) for x in range(3)) > 0
    assert np.array_equal(around == 0, near), "all but the subject and one field around it"
