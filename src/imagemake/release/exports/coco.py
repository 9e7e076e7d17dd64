"""COCO: images with boxes from measures, for detectors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from imagemake.release.exports.content import Content, Exported, image_of

if TYPE_CHECKING:
    from imagemake.config.exports import Export

ANNOTATIONS = "annotations.json"
_SIDES = ("left", "top", "right", "bottom")


class _Box(NamedTuple):
    """A box in shares of the image's width and height."""

    category: str
    left: float
    top: float
    width: float
    height: float
    more: dict[str, Any]


def coco(images: Sequence[Exported], export: Export) -> dict[str, Content]:
    """Return the images in ``images/``, and all boxes in annotations.json."""
    if not images:
        return {}
    categories = {name: number for number, name in enumerate(_categories(export), 1)}
    listed, annotations = [], list[dict[str, Any]]()
    for number, one in enumerate(images, 1):
        width_px, height_px = int(one.file.width_px or 0), int(one.file.height_px or 0)
        listed.append({"id": number, "file_name": one.file_name, "width": width_px, "height": height_px})
        for box in _boxes(one, export):
            sides = box.left * width_px, box.top * height_px, box.width * width_px, box.height * height_px
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": categories[box.category],
                    "bbox": [round(side, 2) for side in sides],
                    "area": round(sides[2] * sides[3], 2),
                    "iscrowd": 0,
                    **box.more,
                }
            )
    told = {
        "images": listed,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
    }
    files: dict[str, Content] = {f"images/{one.file_name}": image_of(one) for one in images}
    return {**files, ANNOTATIONS: orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)}


def _categories(export: Export) -> Iterator[str]:
    """Yield the categories: the same ones, whatever the images show."""
    from imagemake.images.networks.object_finder import LABELS

    for name in export.boxes:
        yield from LABELS if name == "objects" else ({"faces": "face"}.get(name, name),)


def _boxes(one: Exported, export: Export) -> Iterator[_Box]:
    measured = one.row.measures
    for name in export.boxes:
        if name == "objects":
            for label, score, left, top, width, height in _list(measured.get("objects.found")):
                yield _Box(label, left, top, width, height, {"score": score})
        elif name == "faces":
            for score, left, top, width, height in _list(measured.get("faces.boxes")):
                yield _Box("face", left, top, width, height, {"score": score})
        elif name == "text":
            for words, score, left, top, width, height, _ in _list(measured.get("text.words")):
                yield _Box("text", left, top, width, height, {"score": score, "text": words})
        elif "subject.left" in measured:
            left, top, right, bottom = (float(measured[f"subject.{side}"]) for side in _SIDES)
            yield _Box("subject", left, top, right - left, bottom - top, {})


def _list(found: object) -> Any:
    return [] if found is None else json.loads(str(found))
