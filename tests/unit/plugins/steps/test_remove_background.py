"""Cutting out with a network of the user, which `subject` can read too."""

from __future__ import annotations

import numpy as np
import pytest
from image_files import saved
from PIL import Image
from tiny_masks import tiny_masks

import imagemake.plugins.weights as weights
from imagemake.config.campaign import load_campaign
from imagemake.config.chosen_plugins import chosen_measure, chosen_step
from imagemake.config.outputs import Postprocess
from imagemake.core.problems import UserError
from imagemake.images.decoded import decode_image
from imagemake.images.networks.own_mask import OwnMask
from imagemake.plugins import mask_model
from imagemake.plugins.measures.subject import Subject, SubjectSettings
from imagemake.plugins.steps.remove_background import RemoveBackground, RemoveBackgroundSettings
from imagemake.stages.postprocess.check import check_steps
from imagemake.stages.postprocess.job import postprocess_digests

MODEL = "models/isnet-general-use.onnx"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """Work in a folder of its own, with a network in it that takes what is red for the subject."""
    monkeypatch.chdir(tmp_path)
    weights.cache_at.cache_clear()
    tiny_masks(tmp_path / MODEL, "half")
    return tmp_path


def red_on_blue(red=255):
    image = Image.new("RGB", (120, 90), (0, 30, 200))
    image.paste((red, 30, 40), (30, 20, 90, 70))
    return image


def steps(**settings):
    return Postprocess(steps=(chosen_step("remove_background", {"model": MODEL, **settings}),))


def the_problem(**settings):
    with pytest.raises(UserError) as caught:
        check_steps(steps(**settings))
    (problem,) = caught.value.problems
    return problem


def test_the_users_network_says_what_the_subject_is():
    cut = RemoveBackground(RemoveBackgroundSettings(model=MODEL)).apply(red_on_blue())
    alpha = np.asarray(cut.getchannel("A"))
    assert alpha[25:65, 35:85].min() == 255
    assert alpha[:, :20].max() == alpha[80:].max() == 0


def test_the_content_of_the_network_decides_what_is_postprocessed_and_measured_again(project):
    def keys(model=MODEL):
        return postprocess_digests(steps(model=model)), chosen_measure("subject", {"model": model}).identity

    before = keys()
    (project / "elsewhere").mkdir()
    (project / MODEL).rename(project / "elsewhere" / "isnet-general-use.onnx")
    assert keys("elsewhere/isnet-general-use.onnx") == before
    assert keys() == before, "where it is gone, what was made with it still counts"
    tiny_masks(project / MODEL, "half", gain=0.9)
    for one, other in zip(keys(), before, strict=True):
        assert one != other
    colors = postprocess_digests(steps(model_colors="half"))
    assert colors not in (keys()[0], before[0])


def test_without_a_network_of_ones_own_nothing_is_hashed():
    assert "weights" not in str(chosen_measure("subject").settings)
    assert weights.with_weights(Subject, "subject", {"side_px": 256, "model": ""}) == {"side_px": 256}


def test_a_missing_or_broken_network_is_told_before_the_run(project):
    check_steps(steps())
    problem = the_problem(model="models/birefnet.onnx")
    assert problem.where == "config/config.yaml, postprocess.steps[0].remove_background"
    assert problem.what == "there is no file 'models/birefnet.onnx'."
    assert the_problem(model="models").remedy == "Give the path of one of its files: isnet-general-use.onnx."
    (project / "models" / "isnet.onnx").write_bytes(b"<html>not found</html>")
    assert "cannot be loaded" in the_problem(model="models/isnet.onnx").what


def test_a_network_is_loaded_for_the_check_once_per_content(project, monkeypatch):
    loaded = []
    monkeypatch.setattr(mask_model, "OwnMask", lambda *args: loaded.append(args) or OwnMask(*args))
    check_steps(steps())
    check_steps(steps())
    assert len(loaded) == 1
    tiny_masks(project / MODEL, "half", gain=0.5)
    check_steps(steps())
    assert len(loaded) == 2


def test_a_missing_package_is_told_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(mask_model, "find_spec", lambda name: None)
    assert "pip install 'imagemake[cutout]'" in the_problem().remedy


def test_settings_of_a_network_without_one_are_a_mistake():
    config = {"campaign": "Mugs", "catalog": "c.csv", "prompt": "A mug", "name": "{sku}"}
    config["postprocess"] = {"steps": [{"remove_background": {"model_colors": "half"}}]}
    with pytest.raises(UserError, match="need a model"):
        load_campaign(config)


@pytest.mark.parametrize(("red", "least", "most"), [(255, 0, 0.02), (140, 0.9, 1)])
def test_what_a_mask_leaves_open_is_a_doubt(red, least, most):
    measure = Subject(SubjectSettings(model=MODEL))
    values = measure.read(decode_image(saved(red_on_blue(red), "PNG")))
    assert least <= values["mask_doubt"] <= most
    assert values["parts"] == 1
