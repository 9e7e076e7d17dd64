"""Whether a model can make what a request asks for, as far as the model table and its provider tell before any call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING

from imagemake.config.models import (
    ModelFinding,
    ModelTable,
    Severity,
    problems_in_batch,
    problems_of,
    problems_of_files,
)
from imagemake.config.references import OWN_IMAGE
from imagemake.plugins.providers import provider_class, takes_references

if TYPE_CHECKING:
    from imagemake.config.model import ModelSettings
    from imagemake.core.recipe import Recipe
    from imagemake.images.source_files import SourceImage
    from imagemake.plan.requests.references import Attached


class Abilities:
    """Says why models cannot make what requests ask for.

    Args:
        table: What is known about models.
        file: Returns a reference image or mask by its path.
        today: Date for retirement checks.
        images: Other images of the campaign that are there, by their path in `Attached.references`.
    """

    def __init__(
        self,
        table: ModelTable,
        file: Callable[[str], SourceImage],
        today: date,
        images: Mapping[str, SourceImage] = MappingProxyType({}),
    ) -> None:
        self._images = images
        self._table, self._file, self._today = table, file, today
        self._files_known: dict[tuple[str, str, str, bool, Attached], list[ModelFinding]] = {}

    def why_not(self, settings: ModelSettings, recipe: Recipe, attached: Attached) -> str:
        """Return why a model cannot make an image; empty if nothing is known against it."""
        model, found = self._table.of(recipe), self.of_files(settings, recipe, attached)
        if model is not None:
            found = [*problems_of(model, recipe, self._today), *found]
            found += problems_in_batch(model, recipe) if settings.mode == "batch" else []
        return next((finding.what for finding in found if finding.severity is Severity.ERROR), "")

    def of_files(self, settings: ModelSettings, recipe: Recipe, attached: Attached) -> list[ModelFinding]:
        """Return why a request's files cannot be sent to its model; checked once for all that send the same ones."""
        if not attached.references:
            return []
        in_batch = settings.mode == "batch"
        known = (recipe.provider, recipe.model, recipe.endpoint or "", in_batch, attached)
        if known not in self._files_known:
            self._files_known[known] = self._check_files(recipe, attached, in_batch=in_batch)
        return self._files_known[known]

    def _check_files(self, recipe: Recipe, attached: Attached, *, in_batch: bool) -> list[ModelFinding]:
        provider = recipe.provider
        if not takes_references(provider_class(provider)):
            what = f"provider {provider} does not accept reference images."
            return [ModelFinding(Severity.ERROR, what, "Remove them, or choose another provider.")]
        if in_batch and not takes_references(provider_class(provider), batch=True):
            what = f"provider {provider} does not accept reference images in batches."
            return [ModelFinding(Severity.ERROR, what, "Set mode: sync for its models, or remove them.")]
        model = self._table.of(recipe)
        if model is None:
            return []
        # Images of the campaign that are not there yet are checked once they are.
        references = [(path, image) for path in attached.references if (image := self._image(path))]
        is_known = self._image(attached.references[0]) is not None
        mask = (attached.mask, self._file(attached.mask)) if attached.mask and is_known else None
        return problems_of_files(model, references, mask)

    def _image(self, path: str) -> SourceImage | None:
        return self._images.get(path) if path.startswith(OWN_IMAGE) else self._file(path)
