"""Reads numbers from an image with a network that the user provides as an ONNX file, such as a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from imagemake.core.problems import NotReadyError
from imagemake.images.networks.onnx_session import check_downloaded, external_data, session_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}


class Preparation(NamedTuple):
    """How a network wants its images.

    Attributes:
        side_px: Side of the square that it sees, if it takes any size.
        mean: Subtracted from each color, 0 to 1.
        deviation: What the difference is divided by.
        is_cropped: Whether it sees the center square, in place of the whole image stretched to its size.
        is_bgr: Whether it wants blue first.
    """

    side_px: int | None
    mean: Sequence[float]
    deviation: Sequence[float]
    is_cropped: bool
    is_bgr: bool


class OwnValues:
    """Runs a network; loaded once per job.

    Args:
        path: The ONNX file.
        preparation: How it wants its images.
        output: Name of the output to read; empty for the first one.

    Raises:
        NotReadyError: If the network cannot be used; the message says why and what to do.
    """

    def __init__(self, path: Path, preparation: Preparation, output: str) -> None:
        self._session = session_of(path)
        self._preparation = preparation
        inputs = self._session.get_inputs()
        shape = inputs[0].shape if len(inputs) == 1 else []
        self._is_last = len(shape) == 4 and shape[1] != 3 and shape[3] == 3
        is_image = len(shape) == 4 and 3 in (shape[1], shape[3]) and not (isinstance(shape[0], int) and shape[0] > 1)
        if not is_image or inputs[0].type not in _TYPES:
            told = ", ".join(f"{one.name} {one.shape} {one.type}" for one in inputs)
            what = f"{str(path)!r} does not take one RGB image; its inputs are {told}."
            raise NotReadyError(what, "Export the network with one input of shape [1, 3, height, width].")
        self._input, self._type = inputs[0].name, _TYPES[inputs[0].type]
        sides = shape[1:3] if self._is_last else shape[2:]
        fixed = [side for side in sides if isinstance(side, int) and side > 0]
        if len(fixed) < 2 and preparation.side_px is None:
            raise NotReadyError(f"{str(path)!r} takes images of any size.", "Set size_px to what it was trained at.")
        side = preparation.side_px or 0
        self._size_px: tuple[int, int] = (fixed[1], fixed[0]) if len(fixed) == 2 else (side, side)
        names = [one.name for one in self._session.get_outputs()]
        if output and output not in names:
            raise NotReadyError(f"{str(path)!r} has no output {output!r}.", f"It has {', '.join(names[:20])}.")
        self._output = output or names[0]

    def of(self, image: Image) -> NDArray[np.float32]:
        """Return all numbers of the output in one row.

        Args:
            image: RGB, of any size.

        Raises:
            ValueError: If one is not finite.
        """
        import numpy as np
        from PIL.Image import Resampling

        resized = image.resize(self._size_px, Resampling.BILINEAR, box=self._box(image.size))
        pixels: Any = np.asarray(resized, dtype=np.float32)
        if self._type != "uint8":
            pixels = (pixels / 255 - self._preparation.mean) / self._preparation.deviation
        if self._preparation.is_bgr:
            pixels = pixels[:, :, ::-1]
        blob = pixels if self._is_last else pixels.transpose(2, 0, 1)
        found = self._session.run([self._output], {self._input: np.ascontiguousarray(blob[None], dtype=self._type)})
        numbers: NDArray[np.float32] = np.asarray(found[0], dtype=np.float32).ravel()
        if not np.isfinite(numbers).all():
            raise ValueError("the network returned a number that is not finite")
        return numbers

    def long_edge_px(self, size_px: tuple[int, int]) -> int:
        """Return the long edge in pixels at which an image of this size keeps all detail that the network uses."""
        ratio = -(-max(size_px) // min(size_px)) if self._preparation.is_cropped else 1
        return 2 * max(self._size_px) * ratio

    def _box(self, size_px: tuple[int, int]) -> tuple[float, float, float, float] | None:
        if not self._preparation.is_cropped:
            return None
        scale = min(size_px[0] / self._size_px[0], size_px[1] / self._size_px[1])
        half_x, half_y = self._size_px[0] * scale / 2, self._size_px[1] * scale / 2
        middle_x, middle_y = size_px[0] / 2, size_px[1] / 2
        return middle_x - half_x, middle_y - half_y, middle_x + half_x, middle_y + half_y


def network_in(path: Path) -> Path:
    """Return the ONNX file at a path, or the only one in a folder.

    Raises:
        NotReadyError: If there is none, or if there are several.
    """
    found = [path] if path.is_file() else sorted(path.glob("**/*.onnx"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotReadyError(f"there is no ONNX file at {str(path)!r}.", "Correct the path, or put the file there.")
    names = ", ".join(str(one.relative_to(path)) for one in found[:10])
    raise NotReadyError(f"{str(path)!r} has several ONNX files.", f"Name one of them: {names}.")


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the files that decide what a network reads: itself, and weights beside it.

    Raises:
        NotReadyError: If they are missing.
    """
    network = network_in(path)
    files = (network, *external_data(network))
    for file in files:
        check_downloaded(file)
    return files
