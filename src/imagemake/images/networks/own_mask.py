"""Masks the subject of an image with a network that the user provides as an ONNX file.

Published files are alike: one RGB image of a fixed or free size in, a mask out. They differ in how colors are scaled,
and in whether the mask is a share or a logit:

=====================================  ================  ======  ===============
network                                colors            side    mask
=====================================  ================  ======  ===============
BiRefNet (Zheng et al. 2024)           imagenet          1024    logit
RMBG-2.0 (BRIA 2024)                   imagenet          1024    share
IS-Net (Qin et al. 2022), RMBG-1.4     half              1024    share
U²-Net (Qin et al. 2020)               imagenet          320     share
MODNet (Ke et al. 2022)                symmetric         free    share
=====================================  ================  ======  ===============
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from imagemake.core.problems import NotReadyError
from imagemake.images.networks.image_text_files import PREPROCESSOR, read_json
from imagemake.images.networks.onnx_session import check_downloaded, external_data, session_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

FREE_SIDE_PX = 1024  # for a network that takes any size
COLORS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5,) * 3, (1.0,) * 3),
    "symmetric": ((0.5,) * 3, (0.5,) * 3),
}
# Parts of the names under which the networks are published.
FAMILIES = {
    "rmbg-1.4": "half",
    "rmbg_1_4": "half",
    "isnet": "half",
    "is-net": "half",
    "birefnet": "imagenet",
    "rmbg-2": "imagenet",
    "u2net": "imagenet",
    "silueta": "imagenet",
    "modnet": "symmetric",
}
BEYOND = 0.05  # shares may be this far outside of 0 to 1, as those of 16-bit networks are; logits are farther


class Scaling(NamedTuple):
    """Means and deviations of the colors, 0 to 1, that a network was trained with."""

    mean: Sequence[float]
    deviation: Sequence[float]


class OwnMask:
    """Finds the subject; loaded once per job.

    Args:
        path: The ONNX file.
        colors: A key of `COLORS`; empty to find it out.
        side_px: Side of the square for a network that takes any size; None for that of its preprocessor, or 1024.
        output: Name of the output with the mask; empty for the first one with a single channel.

    Raises:
        NotReadyError: If the network cannot be used; the message says why and what to do.
    """

    def __init__(self, path: Path, colors: str = "", side_px: int | None = None, output: str = "") -> None:
        said = _preparation(path)
        self._session = session_of(path)
        self._input = _image_input(path, self._session)
        self._output = _mask_output(path, self._session, output)
        sides = [side for side in self._input.shape[2:] if isinstance(side, int) and side > 0]
        wanted = side_px or _side_of(said) or FREE_SIDE_PX
        self._size_px = (sides[1], sides[0]) if len(sides) == 2 else (wanted, wanted)
        self.side_px = max(self._size_px)
        self._scaling = _scaling(path, said, self._input, colors)

    def of(self, image: Image) -> NDArray[np.float32]:
        """Return how much each field belongs to the subject, 0 to 1, at the size of the network's output.

        Args:
            image: RGB, of any size.

        Raises:
            ValueError: If the network returns no usable mask.
        """
        import numpy as np
        from PIL.Image import Resampling

        pixels = np.asarray(image.resize(self._size_px, Resampling.BILINEAR), dtype=np.float32) / 255
        scaled = (pixels - self._scaling.mean) / self._scaling.deviation
        kind = np.float16 if self._input.type == "tensor(float16)" else np.float32
        blob = np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], dtype=kind)
        mask: Any = np.asarray(self._session.run([self._output], {self._input.name: blob})[0], np.float32).squeeze()
        if mask.ndim != 2 or not np.isfinite(mask).all():
            raise ValueError("the network returned no usable mask")
        if mask.min() < -BEYOND or mask.max() > 1 + BEYOND:
            mask = 1 / (1 + np.exp(-np.clip(mask, -60, 60)))
        return np.asarray(np.clip(mask, 0, 1), dtype=np.float32)


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the files that decide what a network reads: itself, its external data, and its preprocessor's settings.

    Raises:
        NotReadyError: If the network is missing.
    """
    remedy = "Download a network such as BiRefNet, IS-Net, or RMBG as an ONNX file, or correct the path."
    if path.is_dir():
        there = sorted(str(file.relative_to(path)) for file in path.glob("**/*.onnx"))[:10]
        remedy = f"Give the path of one of its files: {', '.join(there)}." if there else remedy
        raise NotReadyError(f"{str(path)!r} is a folder, not an ONNX file.", remedy)
    if not path.is_file():
        raise NotReadyError(f"there is no file {str(path)!r}.", remedy)
    found = (path, *external_data(path), *_preprocessors(path)[:1])
    for file in found:
        check_downloaded(file)
    return found


def _preprocessors(path: Path) -> list[Path]:
    """Return where the settings of a preprocessor are, in the layout of ONNX exports on Hugging Face."""
    folders = [path.parent, *([path.parent.parent] if path.parent.name == "onnx" else [])]
    return [folder / PREPROCESSOR for folder in folders if (folder / PREPROCESSOR).is_file()]


def _preparation(path: Path) -> dict[str, Any]:
    there = _preprocessors(path)
    return read_json(there[0]) if there else {}


def _image_input(path: Path, session: Any) -> Any:
    inputs = session.get_inputs()
    shape = inputs[0].shape if len(inputs) == 1 else []
    is_image = len(shape) == 4 and shape[1] == 3 and not (isinstance(shape[0], int) and shape[0] != 1)
    if not is_image or inputs[0].type not in ("tensor(float)", "tensor(float16)"):
        told = ", ".join(f"{one.name} {one.shape}" for one in inputs)
        what = f"{str(path)!r} does not take one image of shape [1, 3, height, width]; its inputs are {told}."
        raise NotReadyError(what, "Give an ONNX file of BiRefNet, IS-Net, RMBG, U²-Net, or of the same form.")
    return inputs[0]


def _mask_output(path: Path, session: Any, wanted: str) -> str:
    outputs = session.get_outputs()
    told = ", ".join(f"{one.name} {one.shape}" for one in outputs[:8])
    if wanted and wanted not in [one.name for one in outputs]:
        raise NotReadyError(f"{str(path)!r} has no output {wanted!r}; it has {told}.", "Correct model_output.")
    for one in outputs:
        is_mask = (len(one.shape) == 4 and (one.shape[1] == 1 or isinstance(one.shape[1], str))) or len(one.shape) == 3
        if one.name == wanted or (not wanted and is_mask):
            return str(one.name)
    what = f"{str(path)!r} has no output of one channel; it has {told}."
    raise NotReadyError(what, "Give an ONNX file of a network that makes masks, or name its output as model_output.")


def _scaling(path: Path, said: dict[str, Any], image: Any, colors: str) -> Scaling:
    """Return how colors are scaled: as the user says, the preprocessor, the file's name, or the form of the input."""
    if colors:
        return Scaling(*COLORS[colors])
    if said.get("do_normalize") is False:
        return Scaling((0.0,) * 3, (1.0,) * 3)
    try:
        if "image_mean" in said:
            mean, deviation = ([float(part) for part in said[key]] for key in ("image_mean", "image_std"))
            if len(mean) == len(deviation) == 3 and min(deviation) > 0:
                return Scaling(mean, deviation)
    except (KeyError, TypeError, ValueError):
        pass
    name = path.name.lower()
    for part, family in FAMILIES.items():
        if part in name:
            return Scaling(*COLORS[family])
    if image.name == "pixel_values" or image.shape[2:] == [320, 320]:  # RMBG-2.0, U²-Net
        return Scaling(*COLORS["imagenet"])
    what = f"neither the name nor a {PREPROCESSOR} beside {str(path)!r} says how the network wants colors."
    remedy = "Set model_colors: imagenet for BiRefNet, RMBG-2.0, and U²-Net, half for IS-Net and RMBG-1.4, symmetric "
    raise NotReadyError(what, f"{remedy}for MODNet.")


def _side_of(said: dict[str, Any]) -> int | None:
    size = said.get("size")
    found = size.get("height", size.get("shortest_edge")) if isinstance(size, dict) else size
    return found if isinstance(found, int) and 32 <= found <= 4096 else None
