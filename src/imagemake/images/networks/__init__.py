"""Neural networks that this package ships, run by OpenCV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WEIGHTS = Path(__file__).with_name("weights")


class Network:
    """A network, loaded once a job.

    Args:
        file: Its name under ``weights/``, where its source and license are written down.
    """

    def __init__(self, file: str) -> None:
        import cv2

        cv2.setNumThreads(1)  # jobs run side by side, each on a core of its own
        self._net = cv2.dnn.readNetFromONNX(str(WEIGHTS / file))
        self._outputs = self._net.getUnconnectedOutLayersNames()  # OpenCV 5 takes all of them or one

    def run(self, blob: Any) -> Any:
        """Run it.

        Args:
            blob: Float array of shape (1, 3, height_px, width_px).

        Returns:
            One float array an output, in the order of the file; the first axis has length 1.
        """
        self._net.setInput(blob)
        return self._net.forward(self._outputs)
