"""Whether anything in a picture is in focus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imagemake.measures import Value
    from imagemake.pictures.picture import Picture

LEAST_VARIANCE = 1.0  # of luma: below, all that varies is rounding


class SharpnessSettings(BaseModel):
    """The scale at which sharpness is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    long_edge_px: int = Field(
        default=512,
        ge=64,
        le=4096,
        description="Pictures are shrunk to this long edge in pixels first, so that values of different sizes compare; "
        "smaller pictures are read as they are.",
    )


class Sharpness:
    """Reads the variance of the Laplacian (Pech-Pacheco et al. 2000, LAPV in Pertuz et al. 2013), plain and relative.

    Pech-Pacheco, Cristobal, Chamorro-Martinez, Fernandez-Valdivia: Diatom autofocusing in brightfield microscopy,
    ICPR 2000. The kernel is the one with four neighbors, on luma from 0 to 255.
    """

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {
        "laplacian_variance": "variance of the Laplacian of the luma at a fixed scale, 0 (blurred or blank) and up",
        "relative_sharpness": "laplacian_variance divided by the variance of the luma, so that pale pictures compare "
        "with strong ones: below 0.002 nothing is in focus, above 0.02 there are clear edges; blank pictures have none",
    }
    Settings: ClassVar[type[BaseModel]] = SharpnessSettings

    def __init__(self, settings: BaseModel) -> None:
        assert isinstance(settings, SharpnessSettings)
        self.long_edge_px = settings.long_edge_px

    def read(self, picture: Picture) -> Mapping[str, Value]:
        """Read both; a picture under 3 px in width or height has neither."""
        import numpy as np

        gray = np.asarray(picture.luma_shrunk(self.long_edge_px))
        if min(gray.shape) < 3:
            return {}
        sharpness = _laplacian_variance(gray)
        values: dict[str, Value] = {"laplacian_variance": round(sharpness, 3)}
        variance = float(gray.var(dtype="float64"))
        if variance >= LEAST_VARIANCE:
            values["relative_sharpness"] = round(sharpness / variance, 6)
        return values


def _laplacian_variance(gray: NDArray[np.uint8]) -> float:
    g = gray.astype("int16")
    laplacian = g[:-2, 1:-1] + g[2:, 1:-1] + g[1:-1, :-2] + g[1:-1, 2:] - 4 * g[1:-1, 1:-1]
    return float(laplacian.var(dtype="float64"))
