"""Whether an image shows what a text says."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, Strict

from imagemake.images.networks.image_text import ImageText
from imagemake.images.networks.image_text_files import Weights, weights_in
from imagemake.images.networks.image_text_inputs import Pixels, Tokens
from imagemake.plugins.measures import MatchingMeasure, Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imagemake.images.decoded import DecodedImage

LEVELS = 127  # of a vector's largest part, as it is kept
VECTOR = "_vector"


class PromptSettings(BaseModel):
    """Which model compares, and with what else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(
        default="models/clip",
        min_length=1,
        description="Folder of a CLIP or SigLIP model with ONNX files, from the project's folder: no package ships "
        "one. Once its files change, every image is read again.",
    )
    variant: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_]*$",
        description="Which of its networks: what stands behind their names, such as quantized for "
        "vision_model_quantized.onnx. Empty for full precision.",
    )
    against: Annotated[tuple[str, ...], Strict(False)] = Field(
        default=("a photo", "a drawing", "an empty background", "a pattern without meaning"),
        min_length=1,
        description="Texts that fit many images. An image that shows what was asked for is nearer to that than to "
        "any of these: margin tells by how much.",
    )


class Prompt(MatchingMeasure):
    """Reads how near an image and a text are to a CLIP or SigLIP model, whose weights the user has in a folder.

    Radford et al. 2021, arXiv 2103.00020; Zhai et al. 2023, arXiv 2303.15343.
    """

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {}
    compared: ClassVar[Mapping[str, str]] = {
        "similarity": "cosine of the angle between image and text, -1 to 1; what is good depends on the model and on "
        "the kind of text: look at a pilot",
        "margin": "similarity minus that of the nearest of the texts in `against`; negative where one of those fits "
        "better",
        "cut_tokens": "tokens at the end of the text that the model does not read, because it is too long",
    }
    compares_with_prompt: ClassVar[frozenset[str]] = frozenset(compared)
    phrases: ClassVar[Mapping[str, str]] = {
        "similarity": "image and text are alike by {this}",
        "margin": "{this} nearer to the text than to any other one",
        "cut_tokens": "{this} token(s) of the text were not read",
    }
    packages: ClassVar[Mapping[str, str]] = {"onnxruntime": "onnxruntime", "tokenizers": "tokenizers"}
    paths: ClassVar[frozenset[str]] = frozenset({"model", "variant"})
    Settings: ClassVar[type[BaseModel]] = PromptSettings

    def __init__(self, settings: PromptSettings) -> None:
        super().__init__(settings)
        self._model = ImageText(_weights(settings))
        self._texts: dict[str, tuple[NDArray[np.float32], int]] = {}
        self._against = [self._text(text)[0] for text in settings.against]

    @staticmethod
    def files(settings: BaseModel) -> tuple[Path, ...]:
        """Return the files that decide what is read.

        Raises:
            NotReadyError: If they are not all there.
        """
        assert isinstance(settings, PromptSettings)
        return _weights(settings).all

    @staticmethod
    def check(settings: BaseModel) -> None:
        """Look before a run whether the model is there and its tokenizer can be read.

        Raises:
            NotReadyError: If not.
        """
        assert isinstance(settings, PromptSettings)
        weights = _weights(settings)
        Tokens(weights)
        Pixels(weights.preprocessor)

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read the image's vector, which every text is compared with; it is kept, and shown nowhere."""
        long_edge_px = self._model.long_edge_px(image.pil.size)
        return {VECTOR: packed(self._model.image(image.shrunk(long_edge_px)))}

    def match(self, values: Mapping[str, Value], wanted: str) -> Mapping[str, Value]:
        """Compare the image's vector with that of a text."""
        seen = unpacked(str(values[VECTOR]))
        asked, cut = self._text(wanted)
        similarity = float(seen @ asked)
        others = max(float(seen @ other) for other in self._against)
        return {"similarity": round(similarity, 4), "margin": round(similarity - others, 4), "cut_tokens": cut}

    @staticmethod
    def complaint(wanted: str) -> str | None:
        """Say why a text cannot be compared."""
        return None if any(character.isalnum() for character in wanted) else "has no words"

    def _text(self, text: str) -> tuple[NDArray[np.float32], int]:
        if text not in self._texts:
            self._texts[text] = self._model.text(text)
        return self._texts[text]


def packed(vector: NDArray[np.float32]) -> str:
    """Write a vector in 8 bits a part: 684 letters for 512 parts. Cosines change by 0.001, rarely 0.005."""
    import numpy as np

    return b64encode(np.rint(vector * (LEVELS / np.abs(vector).max())).astype(np.int8).tobytes()).decode()


def unpacked(text: str) -> Any:
    """Read what `packed` wrote, with length 1."""
    import numpy as np

    vector = np.frombuffer(b64decode(text), dtype=np.int8).astype(np.float32)
    return vector / np.linalg.norm(vector)


def _weights(settings: PromptSettings) -> Weights:
    return weights_in(Path(settings.model).expanduser(), settings.variant)
