"""Replaces the background with transparency, a color, or a color with a soft contact shadow."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from imagemake.images.contact_shadow import contact_shadow
from imagemake.images.cutout import connected, fitted, subject_colors
from imagemake.images.networks.subject_mask import without_specks
from imagemake.plugins.mask_model import MaskModelSettings, MasksSubject
from imagemake.plugins.plugin import PluginSettings
from imagemake.plugins.steps import Step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

SIDE_PX = 320  # the size that the network in this package was trained at


class RemoveBackgroundSettings(MaskModelSettings):
    """What replaces the background, and which network finds the subject."""

    color: str = Field(
        default="transparent",
        pattern=r"^(#[0-9a-fA-F]{6}|transparent)$",
        description="New background: transparent, or a color such as #ffffff.",
    )
    shadow: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Darkness of a soft shadow where the subject touches the ground, 0 (none) to 1. Where the image's "
        "edge cuts the subject off, there is none.",
    )

    @model_validator(mode="after")
    def _shadow_on_something(self) -> RemoveBackgroundSettings:
        if self.shadow and self.color == "transparent":
            raise ValueError("a shadow needs a background color")
        return self


class RemoveBackground(MasksSubject, Step):
    """Replaces the background with transparency, a color, or a color with a shadow.

    It keeps the subject that a network finds, with opacities and colors fitted to the image.

    Without a model of yours, it is the small network of the measure `subject`: good for one clear thing. Images whose
    `subject.mask_doubt` is above 0.1 then await review before they are cut out, unless you give that check yourself.
    """

    version: ClassVar[int] = 2
    paths: ClassVar[frozenset[str]] = frozenset({"model"})
    Settings: ClassVar[type[PluginSettings]] = RemoveBackgroundSettings
    settings: RemoveBackgroundSettings

    def __init__(self, settings: RemoveBackgroundSettings) -> None:
        super().__init__(settings)
        self._mask = settings.masks(SIDE_PX)

    def apply(self, image: Image) -> Image:
        """Replace the background.

        Raises:
            ValueError: If there is no subject.
        """
        import numpy as np
        from PIL import Image as Pillow

        rgb = image.convert("RGB")
        mask = self._mask.of(rgb)
        is_subject, parts = without_specks(mask > 0.5)
        if not parts:
            raise ValueError("the image has no clear subject, so its background is unknown")
        opacity = connected(fitted(mask, rgb), is_subject)
        colors = subject_colors(rgb, opacity)
        alpha = np.asarray(np.rint(255 * opacity), dtype=np.uint8)
        if image.mode == "RGBA":  # transparent pixels stay transparent
            alpha = np.minimum(alpha, np.asarray(image.getchannel("A")))
        if self.settings.color == "transparent":
            colors.putalpha(Pillow.fromarray(alpha))
            return colors
        area = Pillow.new("RGB", image.size, self.settings.color)
        if self.settings.shadow:
            area.paste((0, 0, 0), mask=Pillow.fromarray(_shadow(alpha, self.settings.shadow)))
        area.paste(colors, mask=Pillow.fromarray(alpha))
        return area


def _shadow(alpha: NDArray[np.uint8], darkness: float) -> NDArray[np.uint8]:
    """Return the darkness of each pixel, 0 to 255."""
    import numpy as np

    is_subject, _ = without_specks(alpha > 127)
    return np.asarray(np.rint(255 * darkness * contact_shadow(is_subject)), dtype=np.uint8)
