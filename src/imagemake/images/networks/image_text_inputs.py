"""Prepares texts and images as inputs for models that embed both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagemake.core.problems import NotReadyError
from imagemake.images.networks.image_text_files import DESCRIPTIONS, Weights, read_json

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_TOKENS = 77  # of CLIP, the default if no file gives another number
BICUBIC = 3  # Pillow's number, which preprocessor_config.json uses


class Tokens:
    """Converts texts to the token numbers that a model reads.

    Args:
        weights: The model's files.

    Raises:
        NotReadyError: If the tokenizer cannot be read.
    """

    def __init__(self, weights: Weights) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Any = Tokenizer.from_file(str(weights.tokenizer))
        except Exception as error:  # the library raises nothing more specific
            what = f"{str(weights.tokenizer)!r} is not a tokenizer: {error}."
            raise NotReadyError(what, "Download the file again.") from error
        described: dict[str, Any] = {}
        for path in weights.others:
            if path.name in DESCRIPTIONS:
                described |= read_json(path)
        self._pad_id = self._id_of(described.get("pad_token"))
        of_text = described.get("text_config")
        given = [described.get("model_max_length")]
        given += [of_text.get("max_position_embeddings")] if isinstance(of_text, Mapping) else []
        # Tokenizers without a limit give a huge number.
        known = [int(number) for number in given if isinstance(number, int | float) and 2 < number < 100_000]
        self._most = min(known, default=MOST_TOKENS)
        # SigLIP was trained on texts padded to the same length; CLIP reads up to the end mark.
        self._is_filled = str(described.get("model_type", "")).startswith("siglip")
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def fit(self, shape: Sequence[Any]) -> None:
        """Use the length of a network's input, if it is fixed."""
        if len(shape) > 1 and isinstance(shape[1], int):
            self._most, self._is_filled = shape[1], True

    def of(self, text: str) -> tuple[Any, Any, int]:
        """Return token numbers and mask, each of shape (1, tokens), and how many tokens were cut off."""
        import numpy as np

        self._tokenizer.no_truncation()
        cut = max(0, len(self._tokenizer.encode(text).ids) - self._most)
        if cut:  # the marks at both ends stay
            self._tokenizer.enable_truncation(self._most)
        ids = self._tokenizer.encode(text).ids
        missing = self._most - len(ids) if self._is_filled else 0
        mask = [1] * len(ids) + [0] * missing
        rows = np.array([[*ids, *[self._pad_id] * missing], mask], dtype=np.int64)
        return rows[:1], rows[1:], cut

    def _id_of(self, token: Any) -> int:
        name = token.get("content") if isinstance(token, Mapping) else token
        found = self._tokenizer.token_to_id(name) if isinstance(name, str) else None
        return found if found is not None else int((self._tokenizer.padding or {}).get("pad_id", 0))


class Pixels:
    """Converts images to a model's input, according to preprocessor_config.json.

    Args:
        path: Path of that file.

    Raises:
        NotReadyError: If the file is incomplete.
    """

    def __init__(self, path: Path) -> None:
        said = read_json(path)
        try:
            self._size = _size(said["size"])
            self._crop = _size(said["crop_size"]) if said.get("do_center_crop") else None
            self._filter = int(said.get("resample", BICUBIC))
            self._factor = float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 1.0
            plain = not said.get("do_normalize", True)
            self._mean, self._deviation = (
                [default] * 3 if plain else [float(part) for part in said[key]]
                for key, default in (("image_mean", 0.0), ("image_std", 1.0))
            )
        except (KeyError, TypeError, ValueError) as error:
            what = f"{str(path)!r} does not say how images are prepared: {type(error).__name__} {error}."
            raise NotReadyError(what, "Use the file that comes with the model.") from error

    def of(self, image: Image) -> Any:
        """Return a float array of shape (1, 3, height_px, width_px)."""
        import numpy as np
        from PIL.Image import Resampling

        resized = image.resize(self._crop or self._size, Resampling(self._filter), box=self._box(image.size))
        scaled = (np.asarray(resized, dtype=np.float32) * self._factor - self._mean) / self._deviation
        return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], dtype=np.float32)

    def long_edge_px(self, size_px: tuple[int, int]) -> int:
        """Return the long edge in pixels at which an image of this size keeps all detail that the model uses."""
        return -(-2 * max(self._size) * max(size_px) // min(size_px))

    def _box(self, size_px: tuple[int, int]) -> tuple[float, float, float, float]:
        """Return the part of an image that the model uses: all of it, or the center crop.

        The crop comes first: a strip whose short side is enlarged would not fit into memory.
        """
        width_px, height_px = size_px
        if self._crop is None:
            return 0, 0, width_px, height_px
        if self._size[0] == self._size[1]:  # the size of the shorter side; the ratio stays
            scale_x = scale_y = min(size_px) / self._size[0]
        else:
            scale_x, scale_y = width_px / self._size[0], height_px / self._size[1]
        half_x, half_y = (
            min(crop * scale, side) / 2
            for crop, scale, side in zip(self._crop, (scale_x, scale_y), size_px, strict=True)
        )
        return width_px / 2 - half_x, height_px / 2 - half_y, width_px / 2 + half_x, height_px / 2 + half_y


def _size(said: Any) -> tuple[int, int]:
    """Return width and height from one of the three notations in a preprocessor's file."""
    if isinstance(said, Mapping):
        if "shortest_edge" in said:
            return int(said["shortest_edge"]), int(said["shortest_edge"])
        return int(said["width"]), int(said["height"])
    return int(said), int(said)
