"""Tiny models like CLIP: the vector of an image is its mean color, that of a text the sum of its color words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

SIDE_PX = 8
WORDS = {"<pad>": 0, "<start>": 1, "<end>": 2, "<unknown>": 3, "red": 4, "green": 5, "blue": 6, "white": 7, "black": 8}
VECTORS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "white": (1, 1, 1), "<unknown>": (0.01, 0.01, 0.01)}


def tiny_clip(
    folder: Path,
    *,
    one_file: bool = False,
    variant: str = "",
    tokens: int | str = "tokens",
    most_tokens: int = 12,
    model_type: str = "clip",
    gain: tuple[float, float, float] = (1, 1, 1),
    size: Any = None,
) -> Path:
    """Write a model's folder.

    Args:
        folder: Folder to write; created if missing.
        one_file: Whether one network serves images and texts.
        variant: Suffix of the networks' names.
        tokens: Length of a text, or the name of a free axis.
        most_tokens: Length of a text in the model's configuration.
        model_type: Type in the model's configuration.
        gain: Factors of the vector's components; other factors act as other weights.
        size: Size in the preprocessor's configuration; None for that of CLIP.
    """
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    _write_tokenizer(folder / "tokenizer.json")
    square = {"shortest_edge": SIDE_PX}
    prepared = {"do_center_crop": True, "crop_size": {"height": SIDE_PX, "width": SIDE_PX}, "size": square}
    prepared |= {"image_mean": [0.0] * 3, "image_std": [1.0] * 3, "resample": 2}
    if size is not None:
        prepared |= {"do_center_crop": False, "size": size}
    (folder / "preprocessor_config.json").write_text(json.dumps(prepared))
    described = {"model_type": model_type, "text_config": {"max_position_embeddings": most_tokens}}
    (folder / "config.json").write_text(json.dumps(described))
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "<pad>", "model_max_length": 10**30}))
    ending = f"_{variant}.onnx" if variant else ".onnx"
    sides = {"vision_model": _vision(gain), "text_model": _text(tokens)}
    if one_file:
        sides = {"model": _joined(*sides.values())}
    for name, graph in sides.items():
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        (folder / "onnx" / f"{name}{ending}").write_bytes(model.SerializeToString())
    return folder


def _write_tokenizer(path: Path) -> None:
    tokenizer = Tokenizer(WordLevel(WORDS, unk_token="<unknown>"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    marks = [("<start>", 1), ("<end>", 2)]
    tokenizer.post_processor = TemplateProcessing(single="<start> $A <end>", special_tokens=marks)
    tokenizer.save(str(path))


def _vision(gain: tuple[float, float, float]) -> onnx.GraphProto:
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "gain"], ["image_embeds"]),
    ]
    given = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, "height", "width"])
    made = helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["batch", 3])
    kept = [numpy_helper.from_array(np.array(gain, dtype=np.float32), "gain")]
    return helper.make_graph(nodes, "vision", [given], [made], kept)


def _text(tokens: int | str) -> onnx.GraphProto:
    table = np.zeros((len(WORDS), 3), dtype=np.float32)
    for word, vector in VECTORS.items():
        table[WORDS[word]] = vector
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["vectors", "column"], ["seen"]),
        helper.make_node("ReduceSum", ["seen", "middle"], ["text_embeds"], keepdims=0),
    ]
    given = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", tokens])
        for name in ("input_ids", "attention_mask")
    ]
    made = helper.make_tensor_value_info("text_embeds", TensorProto.FLOAT, ["batch", 3])
    axes = [numpy_helper.from_array(np.array([at]), name) for name, at in (("last", 2), ("middle", 1))]
    return helper.make_graph(nodes, "text", given, [made], [numpy_helper.from_array(table, "table"), *axes])


def _joined(vision: onnx.GraphProto, text: onnx.GraphProto) -> onnx.GraphProto:
    return helper.make_graph(
        [*vision.node, *text.node],
        "both",
        [*vision.input, *text.input],
        [*vision.output, *text.output],
        [*vision.initializer, *text.initializer],
    )
