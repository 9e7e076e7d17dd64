"""Regenerates an image from its recipe, and compares the result with the original.

The call is like any other: it claims its key, stays within the budget, and is in the journal. The store keeps the new
image, because it was paid for, but separately and under a different key, so that it never replaces the original.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from imagemake.config.job_settings import SECTIONS, JobSettings, job_settings_json
from imagemake.config.models import Model, is_by_gpu_hour, load_models, worst_usd
from imagemake.config.several_models import settings_of
from imagemake.core.problems import Problem, UserError
from imagemake.core.recipe import Recipe, reproduction_key
from imagemake.plugins.providers import Provider, provider_class
from imagemake.stages.generate.job import generate_again
from imagemake.store.items import Item
from imagemake.store.layout import spending_file
from imagemake.store.spending import SpendTracker, spent_in
from imagemake.store.store import Store, StoredFile
from imagemake.versions.conditions import conditions
from imagemake.versions.inspect import Inspector

if TYPE_CHECKING:
    from PIL.Image import Image

    from imagemake.config.campaign import Campaign
    from imagemake.images.distance import Distance

NEAR_BITS = 4  # re-encoding and resizing change at most this many bits of a perceptual hash
NEAR_DELTA_E = 2.0  # a difference of 1 is just noticeable


class Likeness(StrEnum):
    """How similar the two images are."""

    SAME_BYTES = "equal: the same bytes"
    SAME_PIXELS = "equal: the same pixels in another file"
    NEAR = "near"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class ReproduceSubject:
    """An image to reproduce.

    Attributes:
        name: Name of the request, or the key if no manifest has the image.
        key: Key of the original image.
        label: The campaign's label for the model.
        recipe: Recipe of the key.
        stored: The original image.
        honors_seed: Whether the model gives equal images for equal seeds; None if unknown.
        paid: Whether the call costs money.
        worst_usd: Highest possible cost of the call; None if unknown.
    """

    name: str
    key: str
    label: str
    recipe: Recipe
    stored: StoredFile
    honors_seed: bool | None
    paid: bool
    worst_usd: float | None


@dataclass(frozen=True, slots=True)
class Reproduced:
    """The result of a reproduction.

    Attributes:
        likeness: How similar the images are.
        distance: Perceptual distance; None if the bytes are the same.
        path: Path of the new image.
        notes: What the journal says about how both were made, where that tells why they differ or do not.
    """

    likeness: Likeness
    distance: Distance | None
    path: Path
    notes: tuple[str, ...] = ()


class ReproductionStore(Store):
    """A store that writes raw images to the separate folder for reproductions."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.raw = self.reproduced

    def beside(self, root: Path) -> Store:
        """See `Store.beside`."""
        return ReproductionStore(root)


def subject_of(asked: str, campaign: Campaign, store: Store) -> ReproduceSubject:
    """Find the image to reproduce.

    Args:
        asked: A file, a key, or a name, as for `imagemake inspect`.
        campaign: The campaign that configures its model.
        store: The store that contains the image.

    Raises:
        UserError: If the image, its recipe, or its file is unknown, or its model is not configured.
    """
    found = Inspector(Path()).inspect(asked)
    stored = store.raw.find(found.key)
    if stored is None:
        remedy = "Get the original with `dvc pull` or `snakemake`."
        raise UserError(Problem(asked, "its raw image is not in the store, so nothing can be compared.", remedy))
    if found.recipe is None:
        raise UserError(Problem(asked, "the journal has no recipe for it.", "Fetch store/journal with `dvc pull`."))
    recipe = Recipe.from_dict(found.recipe)
    row: Mapping[str, str] = found.row or {}
    label = row.get("model_label") or recipe.model
    settings = settings_of(label, campaign)
    if (settings.provider, settings.name) != (recipe.provider, recipe.model):
        what = f"the image is from {recipe.model} by {recipe.provider}, "
        what += f"but {label!r} is now {settings.name} by {settings.provider}."
        raise UserError(Problem("config/config.yaml", what, f"Add the model under more_models, as {label}."))
    model = load_models(campaign.models).of(recipe)
    provider = provider_class(recipe.provider)
    paid = provider.paid or is_by_gpu_hour(model)
    worst = (worst_usd(model, recipe, longest_s=campaign.limits.timeout_s) if model else None) if paid else 0.0
    honors_seed = _honors(model, provider)
    return ReproduceSubject(row.get("name") or found.key, found.key, label, recipe, stored, honors_seed, paid, worst)


def reproduce(subject: ReproduceSubject, campaign: Campaign, store: Path, work: Path) -> Reproduced:
    """Regenerate an image and compare it with the original.

    Raises:
        UserError: If the call does not fit into the budget, or the provider returns no image.
        StoppedError: If no call can succeed until the user changes something.
    """
    reproductions = ReproductionStore(store)
    if campaign.budget_usd.is_limited:
        spent = spent_in(reproductions.journal_folder, campaign.campaign)
        SpendTracker(spending_file(work), campaign.budget_usd).open(spent)
    job_settings = JobSettings(orjson.loads(job_settings_json(campaign, *SECTIONS)))
    key = _free_key(subject.key, reproductions)
    item = Item(f"{subject.name} (again)", 0, subject.recipe, key, "reproduce", model=subject.label)
    made = generate_again(item, job_settings, reproductions, work)
    if made.raw is None:
        why = made.failure or "the provider returned no image"
        remedy = "To see the call, run `imagemake ledger --calls`."
        raise UserError(Problem(subject.name, f"the image was not reproduced: {why}", remedy))
    compared = compare(Store(store), subject.stored, reproductions, made.raw)
    same = compared.likeness in (Likeness.SAME_BYTES, Likeness.SAME_PIXELS)
    return replace(compared, notes=tuple(conditions(reproductions.journal_folder, subject.key, key, same=same)))


def _honors(model: Model | None, provider: type[Provider]) -> bool | None:
    known = (model.facts.determinism if model else None) or provider.determinism
    return None if known is None else known != "unseeded"


def _free_key(key: str, reproductions: ReproductionStore) -> str:
    keys = (reproduction_key(key, number) for number in count(1))
    return next(one for one in keys if reproductions.raw.find(one) is None)


def compare(store: Store, stored: StoredFile, reproductions: ReproductionStore, again: StoredFile) -> Reproduced:
    """Compare an original with its reproduction.

    Raises:
        UserError: If one of them cannot be decoded.
    """
    from imagemake.images.decoded import Undecodable, decode_image
    from imagemake.images.distance import distance_between

    path = reproductions.raw.path(again)
    if again.digest == stored.digest:
        return Reproduced(Likeness.SAME_BYTES, None, path)
    try:
        one, other = decode_image(store.raw.read(stored)), decode_image(reproductions.raw.read(again))
    except Undecodable as error:
        raise UserError(Problem(str(path), f"the images cannot be compared: {error}", "Check both files.")) from error
    distance = distance_between(one, other)
    if _has_same_pixels(one.pil, other.pil):
        return Reproduced(Likeness.SAME_PIXELS, distance, path)
    is_near = distance.hash_bits <= NEAR_BITS and distance.delta_e <= NEAR_DELTA_E
    return Reproduced(Likeness.NEAR if is_near else Likeness.DIFFERENT, distance, path)


def _has_same_pixels(one: Image, other: Image) -> bool:
    return (one.size, one.mode) == (other.size, other.mode) and one.tobytes() == other.tobytes()
