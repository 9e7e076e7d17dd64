"""Postprocessing steps: one file each, found through the entry points `imagemake.steps`.

A step whose packages may be missing lists them in ``packages``, as a measure does; it is then told before the run.
A setting that came to a step later is listed in ``came_later``: where it is None it is in no key, so that an upgrade
finishes nobody's images anew. One whose settings name files lists those settings in ``names_only``, and has the
digest of the content in another setting: what a file is called then finishes no image anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from pydantic import BaseModel

from imagemake.plugins.registry import load_plugin, packages_missing

if TYPE_CHECKING:
    from PIL.Image import Image

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


class Step(Protocol):
    """Changes an image: RGB or RGBA, 8 bits a channel, in sRGB, both in and out.

    Attributes:
        version: Raised when the same image and settings may give other pixels; images are then finished anew.
        Settings: What a user can set under the step's name in ``postprocess.steps``.

    A step may say what it does in the words of C2PA, for content credentials, by an attribute ``actions``: a tuple of
    names such as ``("c2pa.cropped",)``, or a static method that gives one for an instance of `Settings`. One without it
    counts as ``c2pa.edited``.
    """

    version: ClassVar[int]
    Settings: ClassVar[type[BaseModel]]

    def __init__(self, settings: BaseModel) -> None:
        """Take the settings, an instance of `Settings`; load models here, once a job."""

    def apply(self, image: Image) -> Image:
        """Return the changed image; the same input gives the same bytes on every run, and is left as it is.

        Raises:
            ValueError: If this image cannot be treated so; the message is the reason that people read.
        """


def step_class(name: str) -> type[Step]:
    """Load the class of a step.

    Raises:
        LookupError: If no step has that name.
    """
    loaded: type[Step] = load_plugin("imagemake.steps", name, BUILT_IN)
    return loaded


def install_command(name: str) -> str:
    """Return what a user types to install what a step needs: ours are extras of the step's name."""
    if name in BUILT_IN:
        return f"pip install 'imagemake[{name}]'"
    return f"pip install {' '.join(packages_missing(step_class(name)))}"
