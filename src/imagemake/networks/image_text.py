"""Models that see pictures and texts alike (CLIP, SigLIP), from a folder of weights that the user has.

The folder is laid out as ONNX exports on Hugging Face are: tokenizer.json and preprocessor_config.json, and under
onnx/ (or beside them) vision_model.onnx and text_model.onnx, or one model.onnx for both; other precisions by their
names, such as vision_model_quantized.onnx. config.json and tokenizer_config.json say how long a text may be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from imagemake.problems import NotReadyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

TOKENIZER, PREPROCESSOR = "tokenizer.json", "preprocessor_config.json"
DESCRIPTIONS = ("config.json", "tokenizer_config.json")  # not there with every export
# What an output is called: with the projection into the common space, or of models that need none.
IMAGE_OUTPUTS, TEXT_OUTPUTS = ("image_embeds", "pooler_output"), ("text_embeds", "pooler_output")
MOST_TOKENS = 77  # of CLIP, where nothing says another number
LFS_POINTER = b"version https://git-lfs"
BICUBIC = 3  # Pillow's number, which preprocessor_config.json uses


class Weights(NamedTuple):
    """The files of a model; one network can be both."""

    tokenizer: Path
    preprocessor: Path
    vision: Path
    text: Path
    others: tuple[Path, ...]

    @property
    def all(self) -> tuple[Path, ...]:
        """Each file once."""
        return tuple(dict.fromkeys((self.tokenizer, self.preprocessor, self.vision, self.text, *self.others)))


def weights_in(folder: Path, variant: str = "") -> Weights:
    """Find a model's files.

    Args:
        folder: The folder.
        variant: What stands behind the networks' names, such as ``quantized``; empty for those of full precision.

    Raises:
        NotReadyError: If one is missing, or only a pointer to a file that was not downloaded.
    """
    if not folder.is_dir():
        raise NotReadyError(f"there is no folder {str(folder)!r}.", _how_to_get(folder))
    for name in (TOKENIZER, PREPROCESSOR):
        if not (folder / name).is_file():
            raise NotReadyError(f"{str(folder)!r} has no {name}.", _how_to_get(folder))
    vision, text = _networks(folder, variant)
    beside = {path for network in (vision, text) for path in network.parent.glob(f"{network.stem}.onnx[._]data*")}
    described = [folder / name for name in DESCRIPTIONS if (folder / name).is_file()]
    found = Weights(folder / TOKENIZER, folder / PREPROCESSOR, vision, text, (*described, *sorted(beside)))
    for path in found.all:
        with path.open("rb") as file:
            if file.read(len(LFS_POINTER)) == LFS_POINTER:
                what = f"{str(path)!r} is only a pointer to a file that was not downloaded."
                raise NotReadyError(what, "Run `git lfs pull` in its folder.")
    return found


def _networks(folder: Path, variant: str) -> tuple[Path, Path]:
    ending = f"_{variant}.onnx" if variant else ".onnx"
    for place in (folder / "onnx", folder):
        pair = place / f"vision_model{ending}", place / f"text_model{ending}"
        if all(path.is_file() for path in pair):
            return pair
        if (place / f"model{ending}").is_file():
            return (place / f"model{ending}",) * 2
    there = sorted(path.name for place in (folder, folder / "onnx") for path in place.glob("*.onnx"))
    what = f"{str(folder)!r} has neither vision_model{ending} with text_model{ending} nor model{ending}."
    remedy = f"There are {', '.join(there)}: set variant to what stands behind _." if there else _how_to_get(folder)
    raise NotReadyError(what, remedy)


def _how_to_get(folder: Path) -> str:
    return (
        f"Get a model with ONNX files, for example: hf download Xenova/clip-vit-base-patch32 --local-dir {folder}; "
        "or set model to the folder where you have one."
    )


class ImageText:
    """A loaded model; both sides give vectors of length 1, whose product is their similarity.

    Args:
        weights: Its files.

    Raises:
        NotReadyError: If one of them cannot be used.
    """

    def __init__(self, weights: Weights) -> None:
        self._tokens = Tokens(weights)
        self._pixels = Pixels(weights.preprocessor)
        self._vision = _Side(weights.vision, IMAGE_OUTPUTS)
        same = weights.text == weights.vision
        self._text = _Side(weights.text, TEXT_OUTPUTS, self._vision.session if same else None)
        self._tokens.fit(self._text.shape("input_ids"))

    def long_edge_px(self, size_px: tuple[int, int]) -> int:
        """Return the long edge that a picture can be shrunk to before, in whole pixels."""
        return self._pixels.long_edge_px(size_px)

    def image(self, image: Image) -> NDArray[np.float32]:
        """Return the vector of an RGB picture."""
        # A network for both sides wants a text as well; which one does not matter.
        ids, mask, _ = self._tokens.of("a")
        return self._vision.run({"pixel_values": self._pixels.of(image), "input_ids": ids, "attention_mask": mask})

    def text(self, text: str) -> tuple[NDArray[np.float32], int]:
        """Return the vector of a text, and how many tokens at its end are beyond what the model reads."""
        from PIL import Image as Pillow

        ids, mask, cut = self._tokens.of(text)
        given = {"input_ids": ids, "attention_mask": mask}
        if self._text.shape("pixel_values"):
            given["pixel_values"] = self._pixels.of(Pillow.new("RGB", (8, 8)))
        return self._text.run(given), cut


class Tokens:
    """Turns texts into the numbers that a model reads.

    Args:
        weights: The model's files.

    Raises:
        NotReadyError: If the tokenizer cannot be read.
    """

    def __init__(self, weights: Weights) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Any = Tokenizer.from_file(str(weights.tokenizer))
        except Exception as error:  # of a library that raises nothing more exact
            what = f"{str(weights.tokenizer)!r} is no tokenizer: {error}."
            raise NotReadyError(what, "Download the file again.") from error
        described: dict[str, Any] = {}
        for path in weights.others:
            if path.name in DESCRIPTIONS:
                described |= _json(path)
        self._pad_id = self._id_of(described.get("pad_token"))
        given = [described.get("text_config", {}).get("max_position_embeddings"), described.get("model_max_length")]
        # Tokenizers without a limit name a huge number.
        known = [int(number) for number in given if isinstance(number, int | float) and 2 < number < 100_000]
        self._most = min(known, default=MOST_TOKENS)
        # SigLIP was trained on texts that are filled up to the same length, CLIP reads up to the end mark.
        self._is_filled = str(described.get("model_type", "")).startswith("siglip")
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def fit(self, shape: Sequence[Any]) -> None:
        """Keep to the length that a network's input has, if it has one of its own."""
        if len(shape) > 1 and isinstance(shape[1], int):
            self._most, self._is_filled = shape[1], True

    def of(self, text: str) -> tuple[Any, Any, int]:
        """Return numbers and mask, each of shape (1, tokens), and how many tokens were cut off."""
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
    """Turns pictures into the numbers that a model looks at, as preprocessor_config.json says.

    Args:
        path: That file.

    Raises:
        NotReadyError: If it does not say it.
    """

    def __init__(self, path: Path) -> None:
        said = _json(path)
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
            what = f"{str(path)!r} does not say how pictures are prepared: {type(error).__name__} {error}."
            raise NotReadyError(what, "Take the file that comes with the model.") from error

    def of(self, image: Image) -> Any:
        """Return a float array of shape (1, 3, height_px, width_px)."""
        import numpy as np
        from PIL.Image import Resampling

        resized = image.resize(self._crop or self._size, Resampling(self._filter), box=self._box(image.size))
        scaled = (np.asarray(resized, dtype=np.float32) * self._factor - self._mean) / self._deviation
        return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], dtype=np.float32)

    def long_edge_px(self, size_px: tuple[int, int]) -> int:
        """Return the long edge at which a picture of some size still has all that is looked at."""
        return -(-2 * max(self._size) * max(size_px) // min(size_px))

    def _box(self, size_px: tuple[int, int]) -> tuple[float, float, float, float]:
        """Return what of a picture is looked at: all of it, or the middle that a crop leaves.

        The crop comes first here: a strip whose short side is enlarged would not fit into memory.
        """
        width_px, height_px = size_px
        if self._crop is None:
            return 0, 0, width_px, height_px
        if self._size[0] == self._size[1]:  # of the shorter side, and the shape stays
            scale_x = scale_y = min(size_px) / self._size[0]
        else:
            scale_x, scale_y = width_px / self._size[0], height_px / self._size[1]
        half_x, half_y = (
            min(crop * scale, side) / 2
            for crop, scale, side in zip(self._crop, (scale_x, scale_y), size_px, strict=True)
        )
        return width_px / 2 - half_x, height_px / 2 - half_y, width_px / 2 + half_x, height_px / 2 + half_y


class _Side:
    """One network, and the output that is its vector."""

    def __init__(self, path: Path, outputs: Sequence[str], session: Any = None) -> None:
        self.session = session or _session(path)
        there = [output.name for output in self.session.get_outputs()]
        self._output = next((name for name in outputs if name in there), None)
        if self._output is None:
            what = f"{str(path)!r} has none of the outputs {', '.join(outputs)}, but {', '.join(there)}."
            raise NotReadyError(what, "Take an export of the model with its projection.")
        self._inputs = {given.name: given for given in self.session.get_inputs()}

    def shape(self, name: str) -> Sequence[Any]:
        """Return the shape of an input; empty where there is none of that name."""
        return self._inputs[name].shape if name in self._inputs else ()

    def run(self, given: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return the vector, of length 1."""
        import numpy as np

        fed = {name: self._as_wanted(name, given) for name in self._inputs}
        vector = np.asarray(self.session.run([self._output], fed)[0][0], dtype=np.float32).ravel()
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0:
            raise ValueError("the model gave no usable vector")
        return np.asarray(vector / length, dtype=np.float32)

    def _as_wanted(self, name: str, given: Mapping[str, Any]) -> Any:
        import numpy as np

        values = given.get(name)
        if values is None and name == "position_ids":
            values = np.arange(given["input_ids"].shape[1], dtype=np.int64)[None]
        if values is None:
            raise ValueError(f"the model wants {name}, which is not known here")
        kinds = {"tensor(float16)": np.float16, "tensor(int32)": np.int32}
        kind = kinds.get(self._inputs[name].type)
        return values if kind is None else values.astype(kind)


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # jobs run side by side
    options.log_severity_level = 4
    try:
        # On the processor always, so that every machine reads nearly the same.
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common class
        said = " ".join(str(error).split())[:200]
        raise NotReadyError(f"{str(path)!r} cannot be loaded: {said}.", "Download the file again.") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise NotReadyError(f"{str(path)!r} is no JSON: {error}.", "Download the file again.") from error
    return found if isinstance(found, dict) else {}


def _size(said: Any) -> tuple[int, int]:
    """Return width and height of what a preprocessor's file says in one of three ways."""
    if isinstance(said, Mapping):
        if "shortest_edge" in said:
            return int(said["shortest_edge"]), int(said["shortest_edge"])
        return int(said["width"]), int(said["height"])
    return int(said), int(said)
