from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from imagemake.images import cutout
from imagemake.images.contact_shadow import contact_shadow
from imagemake.images.cutout import connected, fitted, subject_colors

FINER = 4


def drawn(size_px, draw):
    """Return the opacity of what is drawn in white, with smooth edges."""
    mask = Image.new("L", (size_px[0] * FINER, size_px[1] * FINER))
    draw(ImageDraw.Draw(mask))
    return np.asarray(mask.reduce(FINER), dtype=np.float32) / 255


def before(opacity, color, ground):
    ground = np.asarray(ground, dtype=np.float32)
    mixed = opacity[:, :, None] * np.asarray(color, dtype=np.float32) + (1 - opacity[:, :, None]) * ground
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def rough(opacity, blur_px):
    """Return the opacity as a small network sees it."""
    return cv2.resize(cv2.GaussianBlur(opacity, (0, 0), blur_px), (64, 64), interpolation=cv2.INTER_AREA)


def ball_with_whiskers(draw):
    draw.ellipse((400, 400, 1000, 1000), fill=255)
    for place in range(8):
        draw.line((1000 - 20 * place, 560 + 40 * place, 1280, 480 + 80 * place), fill=255, width=24)


def test_thin_parts_that_the_mask_hardly_shows_are_found_before_a_plain_background():
    opacity = drawn((400, 400), ball_with_whiskers)
    image = before(opacity, (150, 60, 20), (236, 236, 234))
    seen = rough(opacity, 3)
    found, whiskers = fitted(seen, image), np.s_[:, 262:310]
    by_the_mask = np.abs(cv2.resize(seen, (400, 400)) - opacity)[whiskers].mean()
    assert np.abs(found - opacity)[whiskers].mean() < 0.5 * by_the_mask
    assert np.abs(found - opacity).mean() < 0.01


def test_edges_follow_the_image_before_a_busy_background():
    opacity = drawn((400, 300), lambda draw: draw.polygon([(400, 200), (1200, 300), (900, 1000)], fill=255))
    noise = np.random.default_rng(1).integers(0, 110, (300, 400, 3))
    image = before(opacity, (230, 200, 40), noise)
    plain = np.abs(cv2.resize(rough(opacity, 4), (400, 300)) - opacity).mean()
    assert np.abs(fitted(rough(opacity, 4), image) - opacity).mean() < 0.5 * plain


def test_a_large_image_is_fitted_in_small_and_its_edges_are_sharp(monkeypatch):
    opacity = drawn((400, 400), lambda draw: draw.ellipse((400, 400, 1200, 1200), fill=255))
    image = before(opacity, (20, 40, 150), (240, 240, 240))
    monkeypatch.setattr(cutout, "WORK_PX", 100)
    assert np.abs(fitted(rough(opacity, 4), image) - opacity).mean() < 0.01


@pytest.mark.parametrize("tile_px", [1024, 50])
def test_no_halo_of_the_old_background_stays(monkeypatch, tile_px):
    monkeypatch.setattr(cutout, "TILE_PX", tile_px)
    sharp = drawn((300, 300), lambda draw: draw.ellipse((240, 240, 960, 960), fill=255))
    opacity = cv2.GaussianBlur(sharp, (0, 0), 1.5)
    image = before(opacity, (200, 40, 40), (20, 200, 40))
    colors = np.asarray(subject_colors(image, opacity), dtype=int)
    edge = (opacity > 0.2) & (opacity < 0.8)
    assert np.abs(np.asarray(image, dtype=int) - (200, 40, 40))[edge].mean() > 40
    assert np.abs(colors - (200, 40, 40))[edge].mean() < 8
    inside = opacity == 1
    assert (colors == np.asarray(image))[inside].all()


def test_specks_away_from_the_subject_are_left_out():
    opacity = np.zeros((60, 60), np.float32)
    opacity[10:30, 10:30], opacity[50:52, 50:52] = 1, 0.7
    subject = np.zeros((6, 6), bool)
    subject[1:3, 1:3] = True
    assert connected(opacity, subject)[50:52, 50:52].max() == 0
    assert (connected(opacity, subject)[:40] == opacity[:40]).all()


def table(cut_px=0):
    subject = np.zeros((300, 400), bool)
    subject[80:110, 60:340] = True
    for left in (80, 300):
        subject[110 : 260 + cut_px, left : left + 20] = True
    return subject


def test_a_shadow_lies_where_the_subject_touches_the_ground():
    dark = contact_shadow(table())
    assert dark.shape == (300, 400)
    assert dark[255:262, 82:98].min() > 0.5
    assert dark[255:265, 170:230].max() < 0.05, "nothing stands between the legs"
    assert dark[:200].max() < 0.05


def test_a_subject_that_is_cut_off_below_has_no_shadow_there():
    assert contact_shadow(table(cut_px=40)).max() == 0
    one_leg = table()
    one_leg[260:, 300:320] = True
    dark = contact_shadow(one_leg)
    assert dark[:, :200].max() > 0.5 or dark.max() == 0
    assert dark[:, 260:].max() < 0.05


def test_nothing_has_no_shadow_and_a_round_base_has_a_curved_one():
    assert contact_shadow(np.zeros((50, 60), bool)).max() == 0
    mug = drawn((300, 300), lambda draw: draw.ellipse((300, 700, 900, 1000), fill=255)) > 0.5
    mug[100:212, 76:225] = True
    dark = contact_shadow(mug)
    assert dark[249, 150] > 0.4
    assert dark[235:249, 110].max() > 0.3
