"""The contract of postprocessing steps, which change an image. One file per step.

An installed package adds steps through the group of entry points `imagemake.steps`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from imagemake.plugins.plugin import Plugin, PluginSettings
from imagemake.plugins.registry import load_plugin

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Step"]

BUILT_IN = {
    "crop": "imagemake.plugins.steps.crop:Crop",
    "resize": "imagemake.plugins.steps.resize:Resize",
    "pad": "imagemake.plugins.steps.pad:Pad",
    "color": "imagemake.plugins.steps.color:Color",
    "sharpen": "imagemake.plugins.steps.sharpen:Sharpen",
    "upscale": "imagemake.plugins.steps.upscale:Upscale",
    "frame": "imagemake.plugins.steps.frame:Frame",
    "overlay": "imagemake.plugins.steps.overlay:Overlay",
    "remove_background": "imagemake.plugins.steps.remove_background:RemoveBackground",
}


class Step(Plugin):
    """Changes an image: RGB or RGBA in sRGB with 8 bits per channel, both in and out.

    `Plugin` describes `version`, `Settings`, `packages`, `came_later`, and `paths`. A step with `paths` has the digest
    of each file's content in another setting.

    Attributes:
        actions: What the step does in C2PA's terms, for content credentials, such as ``("c2pa.cropped",)``.
    """

    actions: ClassVar[tuple[str, ...]] = ("c2pa.edited",)

    @abstractmethod
    def apply(self, image: Image) -> Image:
        """Return the changed image, and leave the given one unchanged. The same input always gives the same bytes.

        Raises:
            ValueError: If this image cannot be changed; the message is the reason that users read.
        """

    @classmethod
    def actions_for(cls, settings: PluginSettings) -> tuple[str, ...]:
        """Return `actions`; override it where they depend on the settings, an instance of `Settings`."""
        return cls.actions


def step_class(name: str) -> type[Step]:
    """Load the class of a step.

    Raises:
        LookupError: If no step has that name.
        UserError: If the package that has it is broken.
    """
    loaded: type[Step] = load_plugin("step", name, BUILT_IN, Step)
    return loaded
