"""Detects objects of 80 kinds with NanoDet-g (RangiLyu 2021), which was trained on COCO."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

from imagemake.images.networks import Network

if TYPE_CHECKING:
    from PIL.Image import Image

# The order of the network's outputs: COCO's categories, with COCO's names.
COCO_LABELS = """
person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,bench,
bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,
sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,
bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,
toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,
teddy bear,hair drier,toothbrush
"""
LABELS = tuple(COCO_LABELS.replace("\n", "").split(","))
STRIDES_PX = (8, 16, 32)
BINS = 11  # a side of a box is a distribution over 0 to 10 strides: Li et al. 2020, arXiv 2006.04388
# Blue, green, red: means and deviations that the network was trained with.
MEAN, DEVIATION = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
MULTIPLE_PX = 32  # sides of its input
LEAST_PX = 64  # at 32 px, where the coarsest grid is one field wide, OpenCV 5.0 reads uninitialized memory
MOST_CANDIDATES = 1000


class Thing(NamedTuple):
    """An object: its label, its certainty, and its box as shares of the image's width and height."""

    label: str
    score: float
    left: float
    top: float
    width: float
    height: float


class ObjectFinder:
    """Detects objects; loaded once per job.

    Args:
        least_score: Lowest certainty, 0 to 1.
        most_overlap: Intersection over union; boxes of one kind that overlap more are one object.
    """

    def __init__(self, least_score: float, most_overlap: float) -> None:
        self.least_score, self.most_overlap = least_score, most_overlap
        self._network = Network("nanodet_g.onnx")

    def of(self, image: Image) -> list[Thing]:
        """Return the objects, the most certain first.

        Args:
            image: RGB, at the size for detection.
        """
        import cv2
        import numpy as np

        found: list[tuple[float, int, Any]] = []
        for output, stride_px in zip(self._network.run(_blob(image)), STRIDES_PX, strict=True):
            found += self._candidates(output[0], stride_px)
        found = sorted(found, key=lambda candidate: -candidate[0])[:MOST_CANDIDATES]
        if not found:
            return []
        boxes = [(left, top, right - left, bottom - top) for _, _, (left, top, right, bottom) in found]
        scores, kinds = [score for score, _, _ in found], [kind for _, kind, _ in found]
        kept = cv2.dnn.NMSBoxesBatched(boxes, scores, kinds, self.least_score, self.most_overlap)
        sides_px = np.array([*image.size, *image.size])
        things = [_thing(kinds[at], scores[at], np.array(found[at][2]) / sides_px) for at in np.ravel(kept).tolist()]
        return sorted((thing for thing in things if thing.width and thing.height), key=lambda thing: -thing.score)

    def _candidates(self, output: Any, stride_px: int) -> list[tuple[float, int, Any]]:
        """Return score, kind, and edges in pixels of every grid field that is certain enough.

        Args:
            output: Shape (channels, rows, columns): scores of each kind, then distributions of the four sides.
            stride_px: Side of a field.
        """
        import numpy as np

        kinds = output[: len(LABELS)].argmax(axis=0)
        scores = 1 / (1 + np.exp(-output[: len(LABELS)].max(axis=0)))
        rows, columns = np.nonzero(scores >= self.least_score)
        sides = output[len(LABELS) :, rows, columns].reshape(4, BINS, -1)
        weights = np.exp(sides - sides.max(axis=1, keepdims=True))
        reach = stride_px * (weights * np.arange(BINS)[None, :, None]).sum(axis=1) / weights.sum(axis=1)
        x, y = (columns + 0.5) * stride_px, (rows + 0.5) * stride_px
        edges = np.stack([x - reach[0], y - reach[1], x + reach[2], y + reach[3]], axis=1).astype(float)
        return list(zip(scores[rows, columns].tolist(), kinds[rows, columns].tolist(), edges.tolist(), strict=True))


def _thing(kind: int, score: float, edges: Any) -> Thing:
    """Return an object with its box as shares, clipped to the image."""
    left, top, right, bottom = (round(min(max(float(edge), 0.0), 1.0), 4) for edge in edges)
    return Thing(LABELS[kind], round(score, 3), left, top, round(right - left, 4), round(bottom - top, 4))


def _blob(image: Image) -> Any:
    """Pad the image to a size that the network accepts, with black as in its training."""
    import numpy as np

    mean, deviation = (np.array(values, dtype=np.float32) for values in (MEAN, DEVIATION))
    width_px, height_px = (max(LEAST_PX, MULTIPLE_PX * ceil(side / MULTIPLE_PX)) for side in image.size)
    canvas = np.zeros((height_px, width_px, 3), dtype=np.float32)
    canvas[: image.height, : image.width] = np.asarray(image, dtype=np.float32)[:, :, ::-1]
    scaled = (canvas - mean) / deviation
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], dtype=np.float32)
