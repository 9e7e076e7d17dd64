"""Numbers from networks of the user's own, by tiny ones whose answers are known: the means of the colors they see."""

import numpy as np
import pytest
from image_files import saved
from onnx import TensorProto, helper
from PIL import Image

from imagemake.config.campaign import load_campaign
from imagemake.config.chosen_plugins import chosen_measure
from imagemake.core.problems import NotReadyError, UserError
from imagemake.images.decoded import decode_image
from imagemake.plugins.measures import measure_class
from imagemake.workflow.preflight.measures import check_packages

LEAST = {"campaign": "Mugs", "catalog": "config/catalog.csv", "prompt": "A {color} mug", "name": "{sku}"}
COLOR = (255, 51, 0)
ORANGE = Image.new("RGB", (64, 40), COLOR)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RED, GREEN, BLUE = {"red": 0}, {"green": 1}, {"blue": 2}
ALL = {**RED, **GREEN, **BLUE}


def tiny(path, *, last=False, side="side", kind=TensorProto.FLOAT, channels=3, gain=1.0):
    """Write a network that returns the mean of each channel, times a factor, and zeros as its first output."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = [1, side, side, channels] if last else [1, channels, side, side]
    axes = [1, 2] if last else [2, 3]
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["mean"], axes=axes, keepdims=0),
        helper.make_node("Mul", ["mean", "gain"], ["scores"]),
        helper.make_node("Sub", ["scores", "scores"], ["zeros"]),
    ]
    given = helper.make_tensor_value_info("image", kind, shape)
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels]) for name in ("zeros", "scores")]
    kept = [helper.make_tensor("gain", TensorProto.FLOAT, [], [gain])]
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", [given], made, kept), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """Work in a folder of its own, with a network in it."""
    monkeypatch.chdir(tmp_path)
    return tiny(tmp_path / "models" / "mean.onnx")


def settings_of(**changes):
    model = {"model": "models/mean.onnx", "output": "scores", "size_px": 32, "quantities": ALL, **changes}
    return {"models": [model]}


def read(image=ORANGE, **changes):
    kind = measure_class("onnx")
    one = kind(kind.Settings.model_validate(settings_of(**changes)))
    return one.read(decode_image(saved(image, "PNG")))


def identity(**changes):
    return chosen_measure("onnx", settings_of(**changes)).identity


def campaign(checks=None, **changes):
    return load_campaign(
        {**LEAST, "validation": {"measures": {"onnx": settings_of(**changes)}, "checks": checks or {}}}
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"colors": "plain"}, [1, 0.2, 0]),
        ({"colors": "bytes"}, [255, 51, 0]),
        ({"colors": "half"}, [0.5, -0.3, -0.5]),
        ({"colors": "symmetric"}, [1, -0.6, -1]),
        ({}, [(c / 255 - m) / d for c, m, d in zip(COLOR, MEAN, DEVIATION, strict=True)]),
        ({"mean": [0.1, 0.2, 0.3], "deviation": [0.5, 0.5, 0.5]}, [1.8, 0, -0.6]),
        ({"colors": "plain", "channels": "bgr"}, [0, 0.2, 1]),
        ({"colors": "plain", "activation": "sigmoid"}, [1 / (1 + np.exp(-x)) for x in (1, 0.2, 0)]),
        ({"colors": "plain", "activation": "softmax"}, np.exp([1, 0.2, 0]) / np.exp([1, 0.2, 0]).sum()),
        ({"colors": "plain", "output": ""}, [0, 0, 0]),
    ],
)
def test_a_network_gets_its_colors_and_returns_what_is_named(changes, expected):
    assert list(read(**changes).values()) == pytest.approx(list(expected), abs=0.002)


@pytest.mark.parametrize(
    "form",
    [{"last": True}, {"side": 16}, {"kind": TensorProto.FLOAT16}, {"last": True, "side": 16}],
    ids=str,
)
def test_published_forms_of_networks_are_read(project, form):
    tiny(project, **form)
    assert read(colors="plain")["red"] == pytest.approx(1, abs=0.002)


def test_a_network_of_bytes_gets_bytes(project):
    tiny(project, kind=TensorProto.UINT8, last=True)
    assert list(read().values()) == [255, 51, 0]


def test_a_crop_sees_the_center_and_no_edge():
    wide = Image.new("RGB", (300, 100), (0, 0, 255))
    wide.paste((255, 0, 0), (100, 0, 200, 100))
    assert read(wide, colors="plain", fit="crop")["red"] == pytest.approx(1, abs=0.02)
    assert read(wide, colors="plain")["red"] == pytest.approx(1 / 3, abs=0.02)


def test_several_networks_are_read_in_one_measure(tmp_path):
    tiny(tmp_path / "other" / "twice.onnx", gain=2)
    kind = measure_class("onnx")
    models = [settings_of(colors="plain", quantities={"one": 0})["models"][0]]
    models.append({**models[0], "model": "other", "quantities": {"two": 0}})
    values = kind(kind.Settings.model_validate({"models": models})).read(decode_image(saved(ORANGE, "PNG")))
    assert values == {"one": pytest.approx(1, abs=0.002), "two": pytest.approx(2, abs=0.004)}


def test_the_content_of_a_network_is_in_the_identity_and_its_place_is_not(project):
    before = identity()
    moved = project.rename(project.parent.parent / "mean.onnx")
    assert identity(model="mean.onnx") == before
    tiny(moved, gain=2)
    after = identity(model="mean.onnx")
    assert after != before
    assert identity(model="mean.onnx", fit="crop") != after


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "models/none.onnx"}, "there is no ONNX file"),
        ({"output": "score"}, "has no output 'score'"),
        ({"quantities": {"red": 3}}, "the output has 3 number(s), so there is none at place 3"),
        ({"size_px": None}, "Set size_px"),
    ],
)
def test_what_cannot_be_read_is_told_before_the_run(changes, words):
    with pytest.raises(UserError) as told:
        check_packages(campaign(**changes))
    assert words in str(told.value)
    assert "validation.measures.onnx" in str(told.value)
    check_packages(campaign())


def test_a_file_that_is_no_network_for_images_is_told(project):
    tiny(project, channels=4)
    with pytest.raises(NotReadyError, match="does not take one RGB image"):
        read()
    project.write_bytes(b"no network")
    with pytest.raises(NotReadyError, match="cannot be loaded"):
        read()
    tiny(project)
    tiny(project.with_name("second.onnx"))
    with pytest.raises(NotReadyError, match="several ONNX files") as told:
        read(model="models")
    assert "mean.onnx, second.onnx" in told.value.remedy


def test_a_check_names_what_the_settings_name_and_nothing_else():
    assert "onnx.red" in campaign({"onnx.red": {"review": {"max": 0.5}}}).validation.checks
    with pytest.raises(UserError, match=r"names 'pink'") as told:
        campaign({"onnx.pink": {"review": {"max": 0.5}}})
    assert "Known are red, green, blue" in str(told.value)
    with pytest.raises(UserError, match=r"Name it under measures.onnx"):
        load_campaign({**LEAST, "validation": {"checks": {"onnx.red": {"review": {"max": 0.5}}}}})
    with pytest.raises(UserError, match="two quantities are named 'red'"):
        models = settings_of()["models"] * 2
        load_campaign({**LEAST, "validation": {"measures": {"onnx": {"models": models}}}})
