"""Numbers that networks of the user's own read from an image, such as an aesthetic score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from imagemake.core.problems import NotReadyError
from imagemake.images.networks.own_mask import COLORS
from imagemake.images.networks.own_values import OwnValues, Preparation, files_of, network_in
from imagemake.plugins.measures import Measure, Value
from imagemake.plugins.plugin import PluginSettings
from imagemake.plugins.weights import check_once

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imagemake.images.decoded import DecodedImage

_PLAIN = {"plain": ((0.0,) * 3, (1.0,) * 3), "bytes": ((0.0,) * 3, (1 / 255,) * 3)}
_MOST_PLACES = 1_000_000
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Three = tuple[float, float, float]


class OnnxModel(PluginSettings):
    """A network, and what its output means."""

    model_config = ConfigDict(protected_namespaces=())

    model: str = Field(
        min_length=1,
        description="ONNX file, or folder with one, relative to the project's folder. You download it yourself. If its "
        "content changes, every image is read again.",
        examples=["models/aesthetic.onnx"],
    )
    quantities: Mapping[Name, Annotated[int, Field(ge=0, lt=_MOST_PLACES)]] = Field(
        min_length=1,
        description="What to read: a name for checks, onnx.NAME, and the place of the number in the output, from 0.",
        examples=[{"watermark": 1}],
    )
    size_px: int | None = Field(
        default=None,
        ge=8,
        le=4096,
        description="Side in pixels of the square that the network sees, if it takes images of any size.",
    )
    fit: Literal["stretch", "crop"] = Field(
        default="stretch", description="stretch: it sees the whole image. crop: it sees the center, unstretched."
    )
    colors: Literal["imagenet", "half", "symmetric", "plain", "bytes"] = Field(
        default="imagenet",
        description="Range of its colors: imagenet (mean and deviation of ImageNet), half (-0.5 to 0.5), symmetric (-1 "
        "to 1), plain (0 to 1), or bytes (0 to 255).",
    )
    mean: Three | None = Field(
        default=None, description="In place of colors: mean of red, green, and blue, 0 to 1. Needs deviation."
    )
    deviation: Three | None = Field(default=None, description="Deviation of red, green, and blue, 0 to 1.")
    channels: Literal["rgb", "bgr"] = Field(default="rgb", description="Order of the channels.")
    output: str = Field(default="", description="Name of the output to read. Empty: the first one.")
    activation: Literal["none", "sigmoid", "softmax"] = Field(
        default="none", description="Function to apply to the output, if it has logits."
    )

    @model_validator(mode="after")
    def _normalization_is_whole(self) -> OnnxModel:
        if (self.mean is None) != (self.deviation is None):
            raise ValueError("mean and deviation need each other")
        if self.deviation is not None and min(self.deviation) <= 0:
            raise ValueError("deviation must be above 0")
        return self

    @property
    def path(self) -> Path:
        """Where the network is."""
        return Path(self.model).expanduser()

    def load(self) -> OwnValues:
        """Load the network.

        Raises:
            NotReadyError: If it cannot be used.
        """
        mean, deviation = {**COLORS, **_PLAIN}[self.colors]
        preparation = Preparation(
            self.size_px, self.mean or mean, self.deviation or deviation, self.fit == "crop", self.channels == "bgr"
        )
        return OwnValues(network_in(self.path), preparation, self.output)

    def values(self, numbers: NDArray[Any]) -> dict[str, Value]:
        """Return the quantities from the numbers of the output.

        Raises:
            ValueError: If the output has fewer numbers.
        """
        if (most := max(self.quantities.values())) >= len(numbers):
            raise ValueError(f"the output has {len(numbers):,} number(s), so there is none at place {most}")
        active = _activated(numbers, self.activation)
        return {name: float(f"{float(active[place]):.5g}") for name, place in self.quantities.items()}


class OnnxSettings(PluginSettings):
    """Which networks read images."""

    models: tuple[OnnxModel, ...] = Field(
        default=(), description="The networks. Each quantity has a name of its own.", max_length=20
    )

    @model_validator(mode="after")
    def _names_differ(self) -> OnnxSettings:
        names = [name for one in self.models for name in one.quantities]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two quantities are named {repeated!r}; give one of them another name")
        return self


class Onnx(Measure):
    """Reads numbers with networks of yours: aesthetic scores, watermarks, hands, or what else you have a model for."""

    version: ClassVar[int] = 1
    quantities: ClassVar[Mapping[str, str]] = {"NAME": "the number that models.quantities gives that name"}
    names_quantities: ClassVar[bool] = True
    packages: ClassVar[Mapping[str, str]] = {"onnxruntime": "onnxruntime"}
    paths: ClassVar[frozenset[str]] = frozenset({"model"})
    Settings: ClassVar[type[PluginSettings]] = OnnxSettings
    settings: OnnxSettings

    def __init__(self, settings: OnnxSettings) -> None:
        super().__init__(settings)
        self._networks = [(one, one.load()) for one in settings.models]

    @staticmethod
    def named(settings: PluginSettings) -> Iterable[str]:
        """Return the names of the quantities."""
        assert isinstance(settings, OnnxSettings)
        return [name for one in settings.models for name in one.quantities]

    @staticmethod
    def files(settings: PluginSettings) -> tuple[Path, ...]:
        """Return the networks' files.

        Raises:
            NotReadyError: If some are missing.
        """
        assert isinstance(settings, OnnxSettings)
        return tuple(file for one in settings.models for file in files_of(one.path))

    @staticmethod
    def check(settings: PluginSettings) -> None:
        """Check before a run that each network reads an image, once for each content.

        Raises:
            NotReadyError: If one cannot be used.
        """
        assert isinstance(settings, OnnxSettings)
        for one in settings.models:
            check_once(files_of(one.path), one.model_dump(mode="json"), lambda one=one: _try(one))  # type: ignore[misc]

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read every quantity."""
        values: dict[str, Value] = {}
        for one, network in self._networks:
            values |= one.values(network.of(image.shrunk(network.long_edge_px(image.pil.size))))
        return values


def _try(one: OnnxModel) -> None:
    from PIL import Image

    try:
        one.values(one.load().of(Image.new("RGB", (64, 64), (128, 128, 128))))
    except NotReadyError:
        raise
    except Exception as error:  # onnxruntime's exceptions have no common class
        said = " ".join(str(error).split())[:300]
        raise NotReadyError(f"{one.model!r} cannot read an image: {said}.", "Correct its settings.") from error


def _activated(numbers: NDArray[Any], activation: str) -> NDArray[Any]:
    import numpy as np

    if activation == "none":
        return numbers
    if activation == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-np.clip(numbers, -60, 60))))
    powers = np.exp(numbers - numbers.max())
    return np.asarray(powers / powers.sum())
