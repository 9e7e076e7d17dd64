"""Tiny networks in the form of BiRefNet, IS-Net, RMBG, and U²-Net: the mask is how red the image is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from imagemake.images.networks.own_mask import COLORS

STEEP = 12  # of the logits


def tiny_masks(
    path: Path,
    colors: str = "imagenet",
    *,
    side: int | str = "side",
    names: tuple[str, str] = ("input", "output"),
    logits: bool = False,
    half: bool = False,
    others: int = 0,
    first_channels: int = 1,
    channels: int = 3,
    preprocessor: dict[str, Any] | None = None,
    gain: float = 1.0,
) -> Path:
    """Write a network whose mask is right only if colors are scaled as it wants.

    Args:
        path: The file; its folder is created.
        colors: How it wants colors: a key of `COLORS`.
        side: Side of its input, or the name of a free axis.
        names: Names of its input and its mask.
        logits: Whether the mask has logits.
        half: Whether it takes and returns 16-bit numbers.
        others: Further outputs, before and after the mask, with several channels.
        first_channels: Channels of the mask.
        channels: Channels of the input.
        preprocessor: Content of preprocessor_config.json beside it.
        gain: Factor of the mask; other factors act as other weights.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    number, plain = (TensorProto.FLOAT16, np.float16) if half else (TensorProto.FLOAT, np.float32)
    mean, deviation = COLORS[colors]
    factor, offset = deviation[0] * gain, mean[0] * gain
    if logits:
        factor, offset = STEEP * factor, STEEP * (offset - 0.5)
    kept = [
        numpy_helper.from_array(np.array(value, dtype=plain), name) for name, value in (("f", factor), ("o", offset))
    ]
    kept += [
        numpy_helper.from_array(np.array(ends), name)
        for name, ends in (("start", [0]), ("end", [first_channels]), ("axis", [1]))
    ]
    image, mask = names
    nodes = [
        helper.make_node("Slice", [image, "start", "end", "axis"], ["red"]),
        helper.make_node("Mul", ["red", "f"], ["scaled"]),
        helper.make_node("Add", ["scaled", "o"], [mask]),
    ]
    outputs = [helper.make_tensor_value_info(mask, number, [1, first_channels, side, side])]
    for place in range(others):
        nodes.append(helper.make_node("Concat", [mask, image], [f"d{place}"], axis=1))
        info = helper.make_tensor_value_info(f"d{place}", number, [1, first_channels + channels, side, side])
        outputs.insert(0 if place == 0 else len(outputs), info)
    given = helper.make_tensor_value_info(image, number, [1, channels, side, side])
    graph = helper.make_graph(nodes, "masks", [given], outputs, kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())
    if preprocessor is not None:
        (path.parent / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return path
