"""The nodes of the stand-in: how prompts are validated, and what they give."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import orjson
from PIL import Image
from PIL.PngImagePlugin import PngInfo

KNOWN = (
    "CheckpointLoaderSimple",
    "CLIPTextEncode",
    "EmptyImage",
    "EmptyLatentImage",
    "KSampler",
    "LoadImage",
    "PreviewImage",
    "SaveImage",
    "VAEDecode",
)
OUTPUTS = ("PreviewImage", "SaveImage")
FAILING = "paper jam"  # a prompt with these words fails while it runs
NO_IMAGE = b"no image"  # a file with this content cannot be loaded
TOO_BIG = "elephant"  # and with this one, there is not enough memory
_TILES = 8  # of an image, in each direction

Graph = Mapping[str, Mapping[str, Any]]


def error(kind: str, message: str, details: str = "", **extra: Any) -> dict[str, Any]:
    """Return an error as ComfyUI writes it."""
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


def validated(prompt: Graph, models: tuple[str, ...], inputs: set[str]) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return the error of a prompt that no output survives, and the errors of nodes."""
    for number, node in prompt.items():
        if node.get("class_type") not in KNOWN:
            kind = node.get("class_type")
            message = f"Node '{kind}' not found. The custom node may not be installed."
            extra = {"node_id": number, "class_type": kind, "node_title": kind}
            return error("missing_node_type", message, f"Node ID '#{number}'", **extra), {}
    outputs = [number for number, node in prompt.items() if node["class_type"] in OUTPUTS]
    if not outputs:
        return error("prompt_no_outputs", "Prompt has no outputs"), {}
    errors: dict[str, Any] = {}
    good = []
    for output in outputs:
        bad = {n: found for n in _needed(prompt, output) if (found := _errors_of(prompt[n], models, inputs))}
        for number, found in bad.items():
            kind = prompt[number]["class_type"]
            known = errors.setdefault(number, {"errors": found, "dependent_outputs": [], "class_type": kind})
            known["dependent_outputs"].append(output)
        good += [] if bad else [output]
    if good:
        return None, errors
    return error("prompt_outputs_failed_validation", "Prompt outputs failed validation"), errors


def _needed(prompt: Graph, output: str) -> list[str]:
    found, left = dict[str, None](), [output]
    while left:
        number = left.pop()
        found[number] = None
        left += [value[0] for value in prompt[number]["inputs"].values() if isinstance(value, list)]
    return list(found)


def _errors_of(node: Mapping[str, Any], models: tuple[str, ...], inputs: set[str]) -> list[dict[str, Any]]:
    found, given = [], node["inputs"]
    if node["class_type"] == "CheckpointLoaderSimple" and given["ckpt_name"] not in models:
        details = f"ckpt_name: '{given['ckpt_name']}' not in {list(models)}"
        found.append(error("value_not_in_list", "Value not in list", details, input_name="ckpt_name"))
    if node["class_type"] == "LoadImage" and given["image"] not in inputs:
        details = f"image - Invalid image file: {given['image']}"
        found.append(error("custom_validation_failed", "Custom validation failed for node", details))
    if node["class_type"] == "EmptyLatentImage" and given["width"] % 8:
        details = f"width: {given['width']}"
        found.append(error("value_smaller_than_min", "Value not allowed", details, input_name="width"))
    return found


def texts_of(prompt: Graph) -> str:
    """Return all texts of a prompt."""
    return "\n".join(str(value) for node in prompt.values() for value in node["inputs"].values())


def signature(prompt: Graph) -> str:
    """Return what ComfyUI's cache compares."""
    return hashlib.sha256(orjson.dumps(prompt, option=orjson.OPT_SORT_KEYS)).hexdigest()


def picture(prompt: Graph) -> bytes:
    """Return the image of a prompt: its tiles tell the inputs, except what names the file."""
    plain = {n: {k: v for k, v in node["inputs"].items() if k != "filename_prefix"} for n, node in prompt.items()}
    digest = hashlib.shake_256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).digest(_TILES**2 * 3)
    sizes = [node["inputs"] for node in prompt.values() if "width" in node["inputs"]]
    edges = (sizes[0]["width"], sizes[0]["height"]) if sizes else (64, 64)
    image = Image.frombytes("RGB", (_TILES, _TILES), digest).resize(edges, Image.Resampling.NEAREST)
    told, file = PngInfo(), BytesIO()
    told.add_text("prompt", orjson.dumps(prompt).decode())
    image.save(file, "PNG", pnginfo=told)
    return file.getvalue()
