from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from folders import ASTRONAUT
from PIL import Image

from imagemake.config.chosen_plugins import chosen_step
from imagemake.config.outputs import Postprocess
from imagemake.config.validation import Validation
from imagemake.core.problems import UserError
from imagemake.images.networks.super_resolution import SuperResolution
from imagemake.plugins.steps import step_class
from imagemake.plugins.steps.upscale import Upscale, UpscaleSettings
from imagemake.stages.postprocess.check import check_steps
from imagemake.stages.postprocess.job import Postprocessor

LANCZOS = Image.Resampling.LANCZOS


@cache
def network(factor=2):
    return SuperResolution(factor)


def astronaut():
    return Image.open(ASTRONAUT).convert("RGB")


def chessboard(side_px=48):
    return Image.fromarray((np.indices((side_px, side_px)).sum(axis=0) % 2 * 255).astype(np.uint8)).convert("RGB")


def apart(one, other):
    return np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int))


def psnr(one, other):
    return 10 * np.log10(255**2 / np.mean(apart(one, other) ** 2))


@pytest.mark.parametrize(("factor", "gain_db"), [(2, 3.5), (4, 2.0)])
def test_a_photograph_that_was_made_smaller_is_restored_better_than_by_a_filter(factor, gain_db):
    whole = astronaut()
    small = whole.resize((256 // factor, 256 // factor), Image.Resampling.BICUBIC)
    by_filter = psnr(whole, small.resize(whole.size, LANCZOS))
    assert psnr(whole, network(factor).of(small)) > by_filter + gain_db


@pytest.mark.parametrize("factor", [2, 4])
def test_tiles_leave_no_seams(factor):
    image = astronaut().crop((60, 20, 190, 140))
    image.paste(chessboard(24), (50, 40))  # where the network is not believed, there are no seams either
    assert apart(network(factor).of(image, tile_px=37), network(factor).of(image, tile_px=500)).max() <= 1


@pytest.mark.parametrize("factor", [2, 4])
def test_a_pattern_that_the_network_cannot_read_is_left_to_the_filter(factor):
    image = astronaut()
    image.paste(chessboard(), (100, 100))
    larger = network(factor).of(image)
    by_filter = image.resize(larger.size, LANCZOS)
    board = tuple(at * factor for at in (102, 102, 146, 146))
    assert apart(larger.crop(board), by_filter.crop(board)).max() <= 1
    elsewhere = tuple(at * factor for at in (0, 160, 100, 256))
    assert apart(larger.crop(elsewhere), by_filter.crop(elsewhere)).max() > 10


def test_transparency_is_enlarged_by_the_filter_and_hidden_colors_stay_hidden():
    image = Image.new("RGBA", (60, 60), (0, 255, 0, 0))
    image.paste((200, 30, 30, 255), (0, 0, 30, 60))
    larger = Upscale(UpscaleSettings(factor=2)).apply(image)
    assert larger.getchannel("A").tobytes() == image.getchannel("A").resize((120, 120), LANCZOS).tobytes()
    pixels = np.asarray(larger, dtype=int)
    visible = pixels[pixels[:, :, 3] > 8]
    assert np.abs(visible[:, :3] - (200, 30, 30)).max() <= 12


@pytest.mark.parametrize("size_px", [(1, 1), (1, 700), (3, 2)])
def test_small_and_narrow_images_are_enlarged_too(size_px):
    assert network().of(Image.new("RGB", size_px, "teal")).size == (2 * size_px[0], 2 * size_px[1])


@pytest.mark.parametrize("size_px", [(3900, 2500), (1, 16_400)])
def test_an_image_that_would_become_enormous_is_refused_before_the_work(size_px):
    with pytest.raises(ValueError, match=f"{4 * size_px[0]} x {4 * size_px[1]} px has more than 150,000,000 pixels"):
        Upscale(UpscaleSettings(factor=4)).apply(Image.new("RGB", size_px))


def test_another_factor_is_a_mistake():
    with pytest.raises(ValueError, match="2 or 4"):
        UpscaleSettings(factor=3)


def test_a_step_whose_package_is_missing_is_told_before_the_run_and_where_a_job_runs(monkeypatch):
    upscale = chosen_step("upscale")
    wanted = Postprocess(steps=(chosen_step("sharpen"), upscale), more_outputs={"web": {"steps": (upscale,)}})
    check_steps(wanted)
    monkeypatch.setattr(step_class("upscale"), "packages", {"no_such_module": "no-such-package"})
    with pytest.raises(UserError) as caught:
        check_steps(wanted)
    problem, other = caught.value.problems
    assert problem.where == "config/config.yaml, postprocess.steps[1]"
    assert other.where == "config/config.yaml, postprocess.more_outputs.web.steps[0]"
    assert problem.what == "step 'upscale' needs packages that are not installed: no-such-package."
    assert problem.remedy.startswith("Install them: pip install 'imagemake[upscale]'")
    with pytest.raises(UserError, match="no-such-package"):
        Postprocessor(wanted, Validation(), None, None)
