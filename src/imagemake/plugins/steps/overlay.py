"""Puts a logo or watermark over the image."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from imagemake.core.mistakes import Mistake, mistakes
from imagemake.core.problems import Problem, UserError
from imagemake.images.source_files import BadSourceImageError, SourceImages
from imagemake.plugins.plugin import PluginSettings
from imagemake.plugins.steps import Step
from imagemake.plugins.steps.crop import Gravity, place

if TYPE_CHECKING:
    from PIL.Image import Image


class OverlaySettings(PluginSettings):
    """The logo, its position, its size, and its opacity."""

    file: str = Field(
        description="Path of the logo, relative to the project's folder: PNG, JPEG, or WebP, best with transparency. "
        "If its content changes, every image is postprocessed again; renaming it changes nothing.",
        examples=["config/logo.png"],
    )
    digest: str = Field(
        default="",
        pattern=r"^([0-9a-f]{64})?$",
        description="SHA-256 of the file, filled in when a run begins. If you set it, it must match the file.",
    )
    width_percent: float = Field(
        default=20.0,
        ge=1,
        le=100,
        description="Width in percent of the image's width; smaller if the height would not fit.",
    )
    margin_percent: float = Field(
        default=3.0,
        ge=0,
        le=45,
        description="Distance from the image's edges, or between tiles, in percent of the image's longer edge.",
    )
    gravity: Gravity = Field(default="bottom_right", description="Where to put the logo.")
    opacity: float = Field(
        default=1.0, gt=0, le=1, description="Opacity of the logo: 1 keeps it as it is; lower values make it fainter."
    )
    tiled: bool = Field(
        default=False,
        description="Whether to repeat the logo over the whole image, with every other row shifted by half a tile.",
    )

    @model_validator(mode="before")
    @classmethod
    def _known_by_content(cls, data: Any) -> Any:
        # A planned step has a digest; the job checks that the file still matches it.
        if not isinstance(data, Mapping) or not isinstance(data.get("file"), str) or data.get("digest"):
            return data
        try:
            return {**data, "digest": SourceImages().get(data["file"]).digest}
        except BadSourceImageError as error:
            raise mistakes([Mistake(("file",), error.what, error.remedy)]) from error

    @model_validator(mode="after")
    def _tiles_are_everywhere(self) -> OverlaySettings:
        if self.tiled and self.gravity != "bottom_right":
            raise ValueError("gravity has no effect on a tiled logo; remove one of them")
        return self


class Overlay(Step):
    """Puts a logo or watermark on an image, at one place or tiled.

    A Lanczos filter resizes it. The image shows through its transparent parts.
    """

    version: ClassVar[int] = 1
    paths: ClassVar[frozenset[str]] = frozenset({"file"})
    actions: ClassVar[tuple[str, ...]] = ("c2pa.placed",)
    Settings: ClassVar[type[PluginSettings]] = OverlaySettings
    settings: OverlaySettings

    def __init__(self, settings: OverlaySettings) -> None:
        super().__init__(settings)
        self._logo = _logo(settings.file, settings.digest)
        self._sized = lru_cache(maxsize=4)(self._resized)  # most images of a batch have the same size

    def apply(self, image: Image) -> Image:
        """Put the logo over the image."""
        from PIL import Image as Pillow

        margin_px = round(self.settings.margin_percent / 100 * max(image.size))
        inner_px = max(1, image.width - 2 * margin_px), max(1, image.height - 2 * margin_px)
        logo = self._sized(image.width, inner_px)
        layer = Pillow.new("RGBA", image.size, (0, 0, 0, 0))
        for at in self._places(image.size, inner_px, logo.size, margin_px):
            layer.paste(logo, at)
        if image.mode == "RGBA":
            return Pillow.alpha_composite(image, layer)
        laid = image.copy()
        laid.paste(layer, mask=layer)
        return laid

    def _resized(self, width_px: int, inner_px: tuple[int, int]) -> Image:
        from PIL.Image import Resampling

        wanted_px = self.settings.width_percent / 100 * width_px
        scale = min(wanted_px, inner_px[0]) / self._logo.width
        scale = min(scale, inner_px[1] / self._logo.height)
        size_px = max(1, round(self._logo.width * scale)), max(1, round(self._logo.height * scale))
        logo = self._logo if size_px == self._logo.size else self._logo.resize(size_px, Resampling.LANCZOS)
        if self.settings.opacity < 1:
            logo = logo.copy()
            logo.putalpha(logo.getchannel("A").point([round(level * self.settings.opacity) for level in range(256)]))
        return logo

    def _places(
        self, size_px: tuple[int, int], inner_px: tuple[int, int], logo_px: tuple[int, int], margin_px: int
    ) -> list[tuple[int, int]]:
        if not self.settings.tiled:
            left_px, top_px = place(inner_px, logo_px, self.settings.gravity)
            return [(left_px + margin_px, top_px + margin_px)]
        step_x, step_y = logo_px[0] + margin_px, logo_px[1] + margin_px
        return [
            (left_px - (step_x // 2 if row % 2 else 0), row * step_y + margin_px // 2)
            for row in range(-(-size_px[1] // step_y))
            for left_px in range(margin_px // 2, size_px[0] + step_x, step_x)
        ]


def _logo(path: str, digest: str) -> Image:
    """Read the logo with a digest.

    Raises:
        UserError: If the file is missing, has changed, or is not an image.
    """
    from imagemake.images.decoded import Undecodable, decode_image

    data = SourceImages().read(path, digest)
    where = f"postprocess.steps, overlay, {path}"
    if data is None:
        what = "the logo is missing or has changed since the run was planned."
        raise UserError(Problem(where, what, "Run again to postprocess the images with the current logo."))
    try:
        return decode_image(data).pil.convert("RGBA")
    except Undecodable as error:
        raise UserError(Problem(where, f"{error.reason}.", "Give a complete PNG, JPEG, or WebP file.")) from error
