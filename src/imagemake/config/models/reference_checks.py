"""Checks whether a model accepts the files that a request sends, before any call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from imagemake.config.models.facts import ModelFacts
from imagemake.config.models.findings import ModelFinding, Severity
from imagemake.config.models.table import Model
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import ReferenceForm


class SentFile(Protocol):
    """What the checks need to know about a file."""

    @property
    def size_bytes(self) -> int:
        """Length in bytes."""

    @property
    def format(self) -> str:
        """``png``, ``jpeg``, or ``webp``."""

    @property
    def width_px(self) -> int:
        """Width in pixels, upright."""

    @property
    def height_px(self) -> int:
        """Height in pixels, upright."""

    @property
    def has_alpha(self) -> bool:
        """Whether it can hold transparent pixels."""


Named = tuple[str, SentFile]  # with its path, for messages


def problems_of_files(model: Model, references: Sequence[Named], mask: Named | None) -> list[ModelFinding]:
    """Find reasons not to send these files to a model.

    Args:
        model: The model.
        references: Reference images in order.
        mask: The mask, if there is one.
    """
    found = [finding for path, file in references for finding in _of_reference(model, path, file)]
    if mask is not None and references and model.facts.mask:
        found += _of_mask(model, *mask, *references[0])
    return found


def problems_in_batch(model: Model, recipe: Recipe) -> list[ModelFinding]:
    """Find reasons not to send a recipe with reference images to a model in a batch."""
    taken, size = model.facts.batch_edit_sizes, recipe.parameters.get("size")
    found = []
    if recipe.references and model.facts.reference_form not in (None, ReferenceForm.FILES):
        what = f"in a batch, {model.name} does not accept reference images."
        found.append(_error(what, "Set mode: sync, or remove them."))
    if taken is not None and size is not None and size not in taken and recipe.references:
        what = f"in a batch with reference images, {model.name} does not accept size {str(size)[:60]!r}."
        found.append(_error(what, f"Use {', '.join(taken)}, or set mode: sync."))
    if "mask_as" in recipe.parameters and "mask_as" in (model.facts.parameters or {}):
        found.append(_error(f"in a batch, {model.name} does not accept mask_as.", "Remove it, or set mode: sync."))
    return found


def _of_reference(model: Model, path: str, file: SentFile) -> Iterator[ModelFinding]:
    facts: ModelFacts = model.facts
    if facts.reference_formats is not None and file.format not in facts.reference_formats:
        what = f"reference image {path!r} is {file.format}, which {model.name} does not accept."
        yield _error(what, f"Save it as {' or '.join(facts.reference_formats)}.")
    if facts.max_reference_bytes is not None and file.size_bytes > facts.max_reference_bytes:
        what = f"reference image {path!r} has {file.size_bytes:,} bytes; "
        yield _error(f"{what}{model.name} accepts at most {facts.max_reference_bytes:,}.", "Make it smaller.")


def _of_mask(model: Model, path: str, mask: SentFile, first_path: str, first: SentFile) -> Iterator[ModelFinding]:
    most = model.facts.max_mask_bytes
    if mask.format != "png" or not mask.has_alpha:
        kind = mask.format if mask.format != "png" else "a PNG without transparency"
        remedy = "Save it as PNG with an alpha channel that is 0 where the model may change the image."
        yield _error(f"mask {path!r} is {kind}.", remedy)
    if most is not None and mask.size_bytes > most:
        what = f"mask {path!r} has {mask.size_bytes:,} bytes; {model.name} accepts at most {most:,}."
        yield _error(what, "Make it smaller; a mask needs few colors.")
    if (mask.width_px, mask.height_px) != (first.width_px, first.height_px):
        what = f"mask {path!r} is {mask.width_px}x{mask.height_px} pixels, but the first reference image, "
        what += f"{first_path!r}, is {first.width_px}x{first.height_px}."
        yield _error(what, "Give both the same size.")


def _error(what: str, remedy: str) -> ModelFinding:
    return ModelFinding(Severity.ERROR, what, remedy)
