"""Models that embed both images and texts (CLIP, SigLIP), from a folder of weights that the user provides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemake.core.problems import NotReadyError
from imagemake.images.networks.image_text_files import Weights
from imagemake.images.networks.image_text_inputs import Pixels, Tokens
from imagemake.images.networks.onnx_session import session_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

# Names of the output: with a projection into the common space, or for models that need none.
IMAGE_OUTPUTS, TEXT_OUTPUTS = ("image_embeds", "pooler_output"), ("text_embeds", "pooler_output")


class ImageText:
    """A loaded model; images and texts become vectors of length 1, whose dot product is their similarity.

    Args:
        weights: Its files.

    Raises:
        NotReadyError: If a file is not usable.
    """

    def __init__(self, weights: Weights) -> None:
        self._tokens = Tokens(weights)
        self._pixels = Pixels(weights.preprocessor)
        self._vision = _Side(weights.vision, IMAGE_OUTPUTS)
        same = weights.text == weights.vision
        self._text = _Side(weights.text, TEXT_OUTPUTS, self._vision.session if same else None)
        self._tokens.fit(self._text.shape("input_ids"))

    def long_edge_px(self, size_px: tuple[int, int]) -> int:
        """Return the long edge in pixels to which an image can be shrunk without loss for the model."""
        return self._pixels.long_edge_px(size_px)

    def image(self, image: Image) -> NDArray[np.float32]:
        """Return the vector of an RGB image."""
        # A combined network also needs a text; any text works.
        ids, mask, _ = self._tokens.of("a")
        return self._vision.run({"pixel_values": self._pixels.of(image), "input_ids": ids, "attention_mask": mask})

    def text(self, text: str) -> tuple[NDArray[np.float32], int]:
        """Return the vector of a text, and the number of tokens at its end that the model cannot read."""
        from PIL import Image as Pillow

        ids, mask, cut = self._tokens.of(text)
        given = {"input_ids": ids, "attention_mask": mask}
        if self._text.shape("pixel_values"):
            given["pixel_values"] = self._pixels.of(Pillow.new("RGB", (8, 8)))
        return self._text.run(given), cut


class _Side:
    """One network, and the output that gives its vector."""

    def __init__(self, path: Path, outputs: Sequence[str], session: Any = None) -> None:
        self.session = session or session_of(path)
        there = [output.name for output in self.session.get_outputs()]
        self._output = next((name for name in outputs if name in there), None)
        if self._output is None:
            what = f"{str(path)!r} has none of the outputs {', '.join(outputs)}; it has {', '.join(there)}."
            raise NotReadyError(what, "Use an export of the model that includes its projection.")
        self._inputs = {given.name: given for given in self.session.get_inputs()}

    def shape(self, name: str) -> Sequence[Any]:
        """Return the shape of an input; empty if there is no input of that name."""
        return self._inputs[name].shape if name in self._inputs else ()

    def run(self, given: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return the vector, of length 1."""
        import numpy as np

        fed = {name: self._as_wanted(name, given) for name in self._inputs}
        vector = np.asarray(self.session.run([self._output], fed)[0][0], dtype=np.float32).ravel()
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0:
            raise ValueError("the model returned no usable vector")
        return np.asarray(vector / length, dtype=np.float32)

    def _as_wanted(self, name: str, given: Mapping[str, Any]) -> Any:
        import numpy as np

        values = given.get(name)
        if values is None and name == "position_ids":
            values = np.arange(given["input_ids"].shape[1], dtype=np.int64)[None]
        if values is None:
            raise ValueError(f"the model needs the input {name}, which is not supported")
        kinds = {"tensor(float16)": np.float16, "tensor(int32)": np.int32}
        kind = kinds.get(self._inputs[name].type)
        return values if kind is None else values.astype(kind)
