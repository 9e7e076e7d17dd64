"""The position of the viewer and of the light."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DISTANCE = 5.0  # in heights of a product: a portrait lens, little foreshortening


@dataclass(frozen=True, slots=True)
class Camera:
    """A viewer facing the middle of a product.

    Attributes:
        axes: Shape (3, 3); the image's right, its up, and the direction to the viewer.
        light: Shape (3,); the direction to the light.
    """

    axes: NDArray[np.float64]
    light: NDArray[np.float64]

    @classmethod
    def at(cls, yaw_deg: float, pitch_deg: float, roll_deg: float, light_deg: float, light_rise: float) -> Camera:
        """Set up a camera.

        Args:
            yaw_deg: 0 looks at the front, 90 at the product's right.
            pitch_deg: 0 looks level, 90 straight down.
            roll_deg: Counterclockwise turn of the camera.
            light_deg: Direction of the light: 0 is straight above in the image, negative to the left.
            light_rise: How much higher the light is than the viewer; at 0, shadows could be endless.
        """
        import numpy as np

        yaw, pitch, roll, turn = radians(yaw_deg), radians(pitch_deg), radians(roll_deg), radians(light_deg)
        level = np.array([cos(yaw), 0.0, -sin(yaw)])
        back = np.array([sin(yaw) * cos(pitch), sin(pitch), cos(yaw) * cos(pitch)])
        upright = np.array([-sin(yaw) * sin(pitch), cos(pitch), -cos(yaw) * sin(pitch)])
        axes = np.array(
            [cos(roll) * level + sin(roll) * upright, cos(roll) * upright - sin(roll) * level, back], dtype=np.float64
        )
        # Over the viewer's shoulder, from any position.
        light = np.array([sin(turn) * 0.75, cos(turn) * 0.75, 0.62]) @ axes
        light[1] += light_rise
        return cls(axes, light / np.sqrt(light @ light))

    def place(self, middle: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the position of a viewer who faces a middle."""
        place: NDArray[np.float64] = middle + self.axes[2] * DISTANCE
        return place

    def project(self, points: NDArray[np.float64], middle: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (x to the right, y downward) of points, shape (n, 3), before any scaling to pixels."""
        import numpy as np

        seen = (points - middle) @ self.axes.T
        near = DISTANCE / (DISTANCE - seen[:, 2])
        return np.stack([seen[:, 0] * near, -seen[:, 1] * near], axis=1)
