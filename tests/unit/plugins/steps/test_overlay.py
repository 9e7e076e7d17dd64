from __future__ import annotations

import json

import numpy as np
import pytest
from image_files import saved
from PIL import Image, ImageDraw

from imagemake.config.campaign import load_campaign
from imagemake.config.outputs import Postprocess
from imagemake.config.validation import Validation
from imagemake.core.problems import UserError
from imagemake.plugins.steps.overlay import Overlay, OverlaySettings
from imagemake.stages.postprocess.job import Postprocessor, postprocess_digests

RED, BLUE, CLEAR = (255, 0, 0), (0, 0, 255), (0, 0, 0, 0)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    logo = Image.new("RGBA", (40, 20), CLEAR)
    ImageDraw.Draw(logo).rectangle((0, 0, 19, 19), fill=(*RED, 255))  # the left half; the right one is clear
    (tmp_path / "logo.png").write_bytes(saved(logo, "PNG"))
    return tmp_path


def laid(image, **settings):
    return Overlay(OverlaySettings(file="logo.png", **settings)).apply(image)


def where_changed(before, after):
    rows, columns = np.nonzero((np.asarray(before, dtype=int) != np.asarray(after)).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def campaign(**settings):
    config = {
        "campaign": "Mugs",
        "catalog": "catalog.csv",
        "prompt": "A mug",
        "name": "{sku}",
        "postprocess": {"steps": [{"overlay": {"file": "logo.png", **settings}}]},
    }
    return load_campaign(config)


def digest(**settings):
    return postprocess_digests(campaign(**settings).postprocess)


@pytest.mark.parametrize(
    ("gravity", "box"),
    [
        ("bottom_right", (300, 240, 340, 280)),  # of the 80 px that are the logo's, the left half is red
        ("top_left", (20, 20, 60, 60)),
        ("center", (160, 130, 200, 170)),
    ],
)
def test_a_logo_is_put_where_it_was_asked_for_and_only_where_it_is_opaque(project, gravity, box):
    image = Image.new("RGB", (400, 300), BLUE)
    changed = laid(image, width_percent=20, margin_percent=5, gravity=gravity)
    assert where_changed(image, changed) == pytest.approx(box, abs=6)  # the filter rings
    assert changed.getpixel((box[0] + 20, box[1] + 20)) == RED
    assert image.getcolors() == [(400 * 300, BLUE)], "the image itself stays as it was"


def test_a_logo_that_is_too_high_is_made_smaller(project):
    image = Image.new("RGB", (1000, 60), BLUE)
    left, top, _, bottom = where_changed(image, laid(image, width_percent=100, margin_percent=1))
    assert (top, bottom) == (10, 50)
    assert left >= 10


def test_opacity_makes_a_logo_fainter(project):
    image = Image.new("RGB", (400, 300), BLUE)
    assert laid(image, opacity=0.5, gravity="center", width_percent=50).getpixel((150, 150)) == pytest.approx(
        (128, 0, 127), abs=1
    )


def test_tiles_cover_the_whole_image(project):
    image = Image.new("RGB", (400, 300), BLUE)
    changed = np.asarray(laid(image, width_percent=10, margin_percent=2, tiled=True))
    red = changed[:, :, 0] > 200
    parts = [part for half in np.array_split(red, 4) for part in np.array_split(half, 4, axis=1)]
    assert all(0.1 < part.mean() < 0.6 for part in parts)


def test_over_transparency_the_logo_is_seen_and_the_rest_stays_transparent(project):
    image = Image.new("RGBA", (400, 300), CLEAR)
    changed = laid(image, gravity="center", width_percent=50)
    assert changed.getpixel((150, 150)) == (*RED, 255)
    assert changed.getpixel((250, 150))[3] == changed.getpixel((5, 5))[3] == 0


def test_a_changed_logo_finishes_anew_and_a_renamed_one_does_not(project):
    before = digest()
    (project / "logo.png").rename(project / "brand.png")
    assert digest(file="brand.png") == before
    (project / "brand.png").write_bytes(saved(Image.new("RGB", (40, 20), BLUE), "PNG"))
    assert digest(file="brand.png") != before
    assert digest(file="brand.png") != digest(file="brand.png", opacity=0.5)


def test_a_plan_and_its_jobs_keep_the_logo_that_was_planned(project):
    planned = campaign()
    section = planned.postprocess.model_dump_json()
    (project / "logo.png").write_bytes(saved(Image.new("RGB", (40, 20), BLUE), "PNG"))
    in_the_job = Postprocess.model_validate(json.loads(section), strict=False)
    assert postprocess_digests(in_the_job) == postprocess_digests(planned.postprocess)
    with pytest.raises(UserError, match="the logo is missing or has changed since the run was planned"):
        Postprocessor(in_the_job, Validation(), None, None)
    (project / "logo.png").unlink()
    with pytest.raises(UserError, match="Run again"):
        Postprocessor(in_the_job, Validation(), None, None)


def _outside(project):
    (project.parent / "outside.png").write_bytes((project / "logo.png").read_bytes())


def _link(project):
    _outside(project)
    (project / "link.png").symlink_to("../outside.png")


@pytest.mark.parametrize(
    ("path", "make", "what"),
    [
        ("gone.png", None, "there is no file 'gone.png'"),
        ("../outside.png", _outside, "leaves the project's folder"),
        ("/etc/passwd", None, "is not relative to the project's folder"),
        ("link.png", _link, "is a link that leads out"),
        ("note.png", lambda project: (project / "note.png").write_text("<svg/>"), "is not a usable image"),
        (
            "half.png",
            lambda project: (project / "half.png").write_bytes(bytes((project / "logo.png").read_bytes()[:80])),
            "cut off",
        ),
    ],
)
def test_a_logo_that_cannot_be_used_is_told_before_the_run_with_its_place(project, path, make, what):
    if make:
        make(project)
    with pytest.raises(UserError) as caught:
        campaign(file=path)
    (problem,) = caught.value.problems
    assert problem.where == "config/config.yaml, postprocess.steps[0].overlay.file"
    assert what in problem.what
