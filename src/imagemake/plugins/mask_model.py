"""Which network masks the subject: the one in this package, or one that the user provides."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from imagemake.core.problems import NotReadyError
from imagemake.images.networks.own_mask import OwnMask, files_of
from imagemake.images.networks.subject_mask import SubjectMask
from imagemake.plugins.plugin import Plugin, PluginSettings
from imagemake.plugins.weights import check_once


class MaskModelSettings(PluginSettings):
    """The network."""

    model_config = ConfigDict(protected_namespaces=())

    model: str = Field(
        default="",
        description="ONNX file of a network of yours that masks the subject, such as BiRefNet, IS-Net, RMBG, or "
        "U²-Net, as they are published, relative to the project's folder. Empty for the small network in this "
        "package. If its content changes, every image is read or postprocessed again. Needs onnxruntime.",
        examples=["models/BiRefNet-general-epoch_244.onnx"],
    )
    model_colors: Literal["", "imagenet", "half", "symmetric"] = Field(
        default="",
        description="How the network was trained to see colors, if neither its name nor a preprocessor_config.json "
        "beside it says so: imagenet for BiRefNet, RMBG-2.0, and U²-Net; half (minus 0.5) for IS-Net and RMBG-1.4; "
        "symmetric (-1 to 1) for MODNet.",
    )
    model_side_px: int | None = Field(
        default=None,
        ge=64,
        le=4096,
        multiple_of=32,
        description="Side in pixels of the square that the network sees, if it takes any size. Null: the value in its "
        "preprocessor_config.json, or 1024.",
    )
    model_output: str = Field(
        default="",
        description="Name of the network's output that is the mask. Empty for the first one with one channel.",
    )

    @model_validator(mode="after")
    def _about_a_model(self) -> MaskModelSettings:
        if not self.model and (self.model_colors or self.model_side_px or self.model_output):
            raise ValueError("model_colors, model_side_px, and model_output need a model")
        return self

    def model_files(self) -> tuple[Path, ...]:
        """Return the files of the user's network; empty without one.

        Raises:
            NotReadyError: If some are missing.
        """
        return files_of(Path(self.model).expanduser()) if self.model else ()

    def check_model(self) -> None:
        """Check that the user's network can be used; the same content is loaded for that only once.

        Raises:
            NotReadyError: If it cannot.
        """
        if not self.model:
            return
        if find_spec("onnxruntime") is None:
            what = "a model of your own needs a package that is not installed: onnxruntime."
            raise NotReadyError(what, "Install it: pip install 'imagemake[cutout]'; or remove model.")
        decisive = {name: getattr(self, name) for name in MaskModelSettings.model_fields}
        check_once(self.model_files(), decisive, self._own)

    def masks(self, side_px: int) -> SubjectMask | OwnMask:
        """Load the network.

        Args:
            side_px: Side of the square for the network in this package.

        Raises:
            NotReadyError: If the user's network cannot be used.
        """
        self.check_model()
        return self._own() if self.model else SubjectMask(side_px)

    def _own(self) -> OwnMask:
        return OwnMask(Path(self.model).expanduser(), self.model_colors, self.model_side_px, self.model_output)


class MasksSubject(Plugin):
    """A measure or step whose settings name the network; it derives from this before its own base class."""

    @staticmethod
    def files(settings: PluginSettings) -> tuple[Path, ...]:
        """Return the files of the user's network.

        Raises:
            NotReadyError: If some are missing.
        """
        assert isinstance(settings, MaskModelSettings)
        return settings.model_files()

    @staticmethod
    def check(settings: PluginSettings) -> None:
        """Check before a run that the user's network can be used.

        Raises:
            NotReadyError: If it cannot.
        """
        assert isinstance(settings, MaskModelSettings)
        settings.check_model()
