from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tiny_masks import tiny_masks

from imagemake.core.problems import NotReadyError
from imagemake.images.networks.own_mask import OwnMask, files_of

RMBG_14 = {"image_mean": [0.5] * 3, "image_std": [1.0] * 3, "do_normalize": True, "size": {"width": 64, "height": 64}}
RMBG_20 = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "size": {"height": 64, "width": 64}}


def thirds():
    """Return an image that is black, half red, and red, from left to right."""
    image = Image.new("RGB", (90, 60))
    for place, red in enumerate((0, 128, 255)):
        image.paste((red, 40, 200), (30 * place, 0, 30 * place + 30, 60))
    return image


def seen(mask):
    side = mask.shape[1]
    return [float(np.median(mask[:, round(side * at) : round(side * (at + 0.1))])) for at in (0.1, 0.45, 0.8)]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("BiRefNet-general-epoch_244.onnx", {"names": ("input_image", "output_image"), "side": 64, "logits": True}),
        ("BiRefNet_lite_fp16.onnx", {"names": ("input_image", "output_image"), "logits": True, "half": True}),
        ("isnet-general-use.onnx", {"colors": "half", "side": 64, "others": 6}),
        ("rmbg-2.0/onnx/model.onnx", {"names": ("pixel_values", "alphas"), "side": 64}),
        ("rmbg-2.0/onnx/model_fp16.onnx", {"names": ("pixel_values", "alphas"), "half": True}),
        ("RMBG-1.4.onnx", {"colors": "half"}),
        ("u2net.onnx", {"side": 320, "others": 6}),
        ("any.onnx", {"side": 320}),
        ("modnet.onnx", {"colors": "symmetric"}),
    ],
)
def test_a_published_network_is_used_as_it_was_trained(tmp_path, name, form):
    path = tiny_masks(tmp_path / name, **form)
    assert seen(OwnMask(path, side_px=64).of(thirds())) == pytest.approx([0, 0.5, 1], abs=0.01)


@pytest.mark.parametrize(("colors", "said"), [("half", RMBG_14), ("imagenet", RMBG_20)])
@pytest.mark.parametrize("folder", ["onnx", "here"])
def test_what_a_preprocessor_says_decides(tmp_path, colors, said, folder):
    path = tiny_masks(tmp_path / "model" / folder / "model.onnx", colors, preprocessor=said)
    if folder == "onnx":
        (path.parent / "preprocessor_config.json").rename(tmp_path / "model" / "preprocessor_config.json")
    network = OwnMask(path)
    assert network.side_px == 64
    assert seen(network.of(thirds())) == pytest.approx([0, 0.5, 1], abs=0.01)
    assert [file.name for file in files_of(path)] == ["model.onnx", "preprocessor_config.json"]


def test_what_the_user_says_decides_over_everything_else(tmp_path):
    path = tiny_masks(tmp_path / "isnet.onnx", "symmetric", preprocessor=RMBG_14, others=2)
    assert seen(OwnMask(path, "symmetric", 32).of(thirds())) == pytest.approx([0, 0.5, 1], abs=0.01)
    assert OwnMask(path, "symmetric", 32).side_px == 32


def _pointer(path):
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")


@pytest.mark.parametrize(
    ("make", "said", "remedy"),
    [
        (lambda path: None, "there is no file", "Download"),
        (lambda path: path.mkdir(), "is a folder", "ONNX"),
        (lambda path: path.write_bytes(b"<html>404</html>"), "cannot be loaded", "Download the file again"),
        (_pointer, "only a pointer", "git lfs pull"),
        (lambda path: tiny_masks(path, channels=4), r"does not take one image", "Give an ONNX file"),
        (
            lambda path: tiny_masks(path, first_channels=2),
            r"no output of one channel; it has output \[1, 2,",
            "model_output",
        ),
        (tiny_masks, "says how the network wants colors", "model_colors: imagenet for BiRefNet"),
    ],
)
def test_a_network_that_cannot_be_used_says_why_and_what_to_do(tmp_path, make, said, remedy):
    path = tmp_path / "model.onnx"
    make(path)
    with pytest.raises(NotReadyError, match=said) as caught:
        files_of(path)
        OwnMask(path)
    assert remedy in caught.value.remedy


def test_an_output_that_the_network_does_not_have_is_told_with_those_that_it_has(tmp_path):
    path = tiny_masks(tmp_path / "u2net.onnx")
    with pytest.raises(NotReadyError, match="has no output 'd9'; it has output"):
        OwnMask(path, output="d9")
