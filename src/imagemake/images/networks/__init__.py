"""Neural networks whose weights are part of this package, run by OpenCV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WEIGHTS = Path(__file__).with_name("weights")


class Network:
    """A network, loaded once per job.

    Args:
        file: Its file name under ``weights/``, where the README lists its source and license.
    """

    def __init__(self, file: str) -> None:
        import cv2

        cv2.setNumThreads(1)  # jobs run in parallel, one per core
        self._net = cv2.dnn.readNetFromONNX(str(WEIGHTS / file))
        self._outputs = self._net.getUnconnectedOutLayersNames()  # OpenCV 5 accepts either all of them or one

    def run(self, blob: Any) -> Any:
        """Run the network.

        Args:
            blob: Float array of shape (1, 3, height_px, width_px).

        Returns:
            One float array per output, in the order of the file; the first axis has length 1.
        """
        self._net.setInput(blob)
        return self._net.forward(self._outputs)
