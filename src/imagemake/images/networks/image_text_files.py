"""The files of a model that embeds images and texts, in the layout of ONNX exports on Hugging Face.

The folder has tokenizer.json and preprocessor_config.json. In the same folder or under onnx/ are vision_model.onnx and
text_model.onnx, or one model.onnx for both; other precisions have a suffix, such as vision_model_quantized.onnx.
config.json and tokenizer_config.json give the longest text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from imagemake.core.problems import NotReadyError
from imagemake.images.networks.onnx_session import check_downloaded, external_data

TOKENIZER, PREPROCESSOR = "tokenizer.json", "preprocessor_config.json"
DESCRIPTIONS = ("config.json", "tokenizer_config.json")  # not part of every export


class Weights(NamedTuple):
    """The files of a model; vision and text can be the same network."""

    tokenizer: Path
    preprocessor: Path
    vision: Path
    text: Path
    others: tuple[Path, ...]

    @property
    def all(self) -> tuple[Path, ...]:
        """All files, each once."""
        return tuple(dict.fromkeys((self.tokenizer, self.preprocessor, self.vision, self.text, *self.others)))


def weights_in(folder: Path, variant: str = "") -> Weights:
    """Find a model's files.

    Args:
        folder: The folder.
        variant: Suffix of the networks' names, such as ``quantized``; empty for full precision.

    Raises:
        NotReadyError: If a file is missing, or is only a pointer to a file that was not downloaded.
    """
    if not folder.is_dir():
        raise NotReadyError(f"there is no folder {str(folder)!r}.", _how_to_get(folder))
    for name in (TOKENIZER, PREPROCESSOR):
        if not (folder / name).is_file():
            raise NotReadyError(f"{str(folder)!r} has no {name}.", _how_to_get(folder))
    vision, text = _networks(folder, variant)
    beside = {path for network in (vision, text) for path in external_data(network)}
    described = [folder / name for name in DESCRIPTIONS if (folder / name).is_file()]
    found = Weights(folder / TOKENIZER, folder / PREPROCESSOR, vision, text, (*described, *sorted(beside)))
    for path in found.all:
        check_downloaded(path)
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
    remedy = f"It has {', '.join(there)}: set variant to the part after _." if there else _how_to_get(folder)
    raise NotReadyError(what, remedy)


def _how_to_get(folder: Path) -> str:
    return (
        f"Get a model with ONNX files, for example: hf download Xenova/clip-vit-base-patch32 --local-dir {folder}; "
        "or set model to the folder of a model that you have."
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file; empty if the file has another value.

    Raises:
        NotReadyError: If the file is not valid JSON.
    """
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise NotReadyError(f"{str(path)!r} is not valid JSON: {error}.", "Download the file again.") from error
    return found if isinstance(found, dict) else {}
