"""How well an image matches a text."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, Strict

from imagemake.images.networks.image_text import ImageText
from imagemake.images.networks.image_text_files import Weights, weights_in
from imagemake.images.networks.image_text_inputs import Pixels, Tokens
from imagemake.plugins.measures import MatchingMeasure, Value
from imagemake.plugins.plugin import PluginSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imagemake.images.decoded import DecodedImage

LEVELS = 127  # value of a stored vector's largest component
VECTOR = "_vector"


class PromptSettings(PluginSettings):
    """Which model compares, and the texts to compare against."""

    model: str = Field(
        default="models/clip",
        min_length=1,
        description="Folder of a CLIP or SigLIP model with ONNX files, relative to the project's folder. You download "
        "the model yourself. If its files change, every image is read again.",
    )
    variant: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_]*$",
        description="Suffix of the network files to use, such as quantized for vision_model_quantized.onnx. Empty for "
        "full precision.",
    )
    against: Annotated[tuple[str, ...], Strict(False)] = Field(
        default=("a photo", "a drawing", "an empty background", "a pattern without meaning"),
        min_length=1,
        description="Texts that fit many images. An image that matches its request is closer to the request than to "
        "any of these texts; margin reports by how much.",
    )


class Prompt(MatchingMeasure):
    """Measures how well an image matches its prompt or another text, with a CLIP or SigLIP model of yours.

    Sources: Radford et al. 2021, arXiv 2103.00020; Zhai et al. 2023, arXiv 2303.15343.
    """

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {}
    compared: ClassVar[Mapping[str, str]] = {
        "similarity": "cosine of the angle between image and text, -1 to 1; a good value depends on the model and on "
        "the kind of text, so look at a pilot",
        "margin": "similarity minus that of the closest text in `against`; negative if that text fits better",
        "cut_tokens": "number of tokens at the end of the text beyond what the model can read",
    }
    compares_with_prompt: ClassVar[frozenset[str]] = frozenset(compared)
    phrases: ClassVar[Mapping[str, str]] = {
        "similarity": "image and text have a similarity of {this}",
        "margin": "{this} closer to the text than to any other text",
        "cut_tokens": "{this} token(s) of the text were not read",
    }
    packages: ClassVar[Mapping[str, str]] = {"onnxruntime": "onnxruntime", "tokenizers": "tokenizers"}
    paths: ClassVar[frozenset[str]] = frozenset({"model", "variant"})
    Settings: ClassVar[type[PluginSettings]] = PromptSettings

    def __init__(self, settings: PromptSettings) -> None:
        super().__init__(settings)
        self._model = ImageText(_weights(settings))
        self._texts: dict[str, tuple[NDArray[np.float32], int]] = {}
        self._against = [self._text(text)[0] for text in settings.against]

    @staticmethod
    def files(settings: PluginSettings) -> tuple[Path, ...]:
        """Return the model's files.

        Raises:
            NotReadyError: If some are missing.
        """
        assert isinstance(settings, PromptSettings)
        return _weights(settings).all

    @staticmethod
    def check(settings: PluginSettings) -> None:
        """Check before a run that the model is present and its tokenizer is readable.

        Raises:
            NotReadyError: If the model is not usable.
        """
        assert isinstance(settings, PromptSettings)
        weights = _weights(settings)
        Tokens(weights)
        Pixels(weights.preprocessor)

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read the image's vector, which is compared with every text. It is kept, but not shown."""
        long_edge_px = self._model.long_edge_px(image.pil.size)
        return {VECTOR: packed(self._model.image(image.shrunk(long_edge_px)))}

    def match(self, values: Mapping[str, Value], wanted: str) -> Mapping[str, Value]:
        """Compare the image's vector with the vector of a text."""
        seen = unpacked(str(values[VECTOR]))
        asked, cut = self._text(wanted)
        similarity = float(seen @ asked)
        others = max(float(seen @ other) for other in self._against)
        return {"similarity": round(similarity, 4), "margin": round(similarity - others, 4), "cut_tokens": cut}

    @staticmethod
    def complaint(wanted: str) -> str | None:
        """Return why a text cannot be compared; None if it can."""
        return None if any(character.isalnum() for character in wanted) else "has no words"

    def _text(self, text: str) -> tuple[NDArray[np.float32], int]:
        if text not in self._texts:
            self._texts[text] = self._model.text(text)
        return self._texts[text]


def packed(vector: NDArray[np.float32]) -> str:
    """Write a vector with 8 bits per component: 684 letters for 512. Cosines change by 0.001, rarely 0.005."""
    import numpy as np

    return b64encode(np.rint(vector * (LEVELS / np.abs(vector).max())).astype(np.int8).tobytes()).decode()


def unpacked(text: str) -> Any:
    """Read what `packed` wrote, with length 1."""
    import numpy as np

    vector = np.frombuffer(b64decode(text), dtype=np.int8).astype(np.float32)
    return vector / np.linalg.norm(vector)


def _weights(settings: PromptSettings) -> Weights:
    return weights_in(Path(settings.model).expanduser(), settings.variant)
