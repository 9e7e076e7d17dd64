"""Making an image again from its recipe, to see whether the same comes out.

The call is one like any other: claimed, within the budget, in the journal. What comes is kept in the store, because it
was paid for, but under a key and on a shelf of its own, so that it never stands for the image that was released.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.config.job_settings import JobSettings, job_settings_json
from imagemake.config.model import settings_of
from imagemake.config.models import Model, load_models, worst_usd
from imagemake.core.problems import Problem, UserError
from imagemake.core.recipe import Recipe, reproduction_key
from imagemake.plugins.providers import provider_class
from imagemake.stages.generate.job import generate_again
from imagemake.store.items import Item
from imagemake.store.journal import read_calls
from imagemake.store.spending import SpendTracker, spent_usd
from imagemake.store.store import Store, StoredFile
from imagemake.versions.inspect import Inspector

if TYPE_CHECKING:
    from PIL.Image import Image

    from imagemake.config.campaign import Campaign
    from imagemake.images.distance import Distance

NEAR_BITS = 4  # re-encoding and resizing change no more of a perceptual hash
NEAR_DELTA_E = 2.0  # 1 is just seen


class Likeness(StrEnum):
    """How the two images compare."""

    SAME_BYTES = "equal: the same bytes"
    SAME_PIXELS = "equal: the same pixels in another file"
    NEAR = "near"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class ReproduceOptions:
    """An image that is to be made again.

    Attributes:
        name: Of the request; its key where no manifest has it.
        key: Of the image that there is.
        label: What the campaign calls the model.
        recipe: What decided its pixels.
        stored: The image that there is.
        honors_seed: Whether the model gives equal images for equal seeds; None where nobody has said.
        paid: Whether the call costs money.
        worst_usd: What it can cost at most; None where nobody knows.
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
    """What came out.

    Attributes:
        likeness: In a word.
        distance: How far apart they look; None where the bytes are the same.
        path: The new image.
    """

    likeness: Likeness
    distance: Distance | None
    path: Path


class SecondStore(Store):
    """The store, with what is made again on a shelf of its own."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.raw = self.reproduced


def wish_for(asked: str, campaign: Campaign, store: Store) -> ReproduceOptions:
    """Find out what must be made again.

    Args:
        asked: A file, a key, or a name, as `imagemake inspect` takes it.
        campaign: Says where its model is.
        store: Where the image is.

    Raises:
        UserError: If nothing here knows the image, its recipe or its file.
    """
    found = Inspector(Path()).inspect(asked)
    stored = store.raw.find(found.key)
    if stored is None:
        remedy = "Only an image that is there can be compared with: `dvc pull`, or `snakemake`, brings it."
        raise UserError(Problem(asked, "its raw image is not in the store.", remedy))
    if found.recipe is None:
        raise UserError(Problem(asked, "no call in the journal tells its recipe.", "Fetch store/journal: dvc pull."))
    recipe = Recipe.from_dict(found.recipe)
    row: Mapping[str, str] = found.row or {}
    label = row.get("model_label") or recipe.model
    settings = settings_of(label, campaign)
    if (settings.provider, settings.name) != (recipe.provider, recipe.model):
        what = f"it was made by {recipe.model} of {recipe.provider}, "
        what += f"and {label!r} is {settings.name} of {settings.provider} now."
        raise UserError(Problem("config/config.yaml", what, f"Name it under more_models, as {label}."))
    model = load_models(campaign.models).get(recipe.provider, recipe.model)
    paid = provider_class(recipe.provider).paid
    worst = (worst_usd(model, recipe) if model else None) if paid else 0.0
    return ReproduceOptions(row.get("name") or found.key, found.key, label, recipe, stored, _honors(model), paid, worst)


def reproduce(wish: ReproduceOptions, campaign: Campaign, store: Path, work: Path) -> Reproduced:
    """Make it again and compare.

    Raises:
        UserError: If it does not fit into the budget, or the provider does not make it.
        StoppedError: If no call can succeed until the user does something.
    """
    second = SecondStore(store)
    if campaign.budget_usd.is_limited:
        spent = spent_usd(read_calls(second.journal_folder), campaign.campaign)
        SpendTracker(work / "spending.json", campaign.budget_usd).open(spent)
    job_settings = JobSettings.model_validate_json(job_settings_json(campaign, *JobSettings.model_fields))
    key = _free_key(wish.key, second)
    item = Item(f"{wish.name} (again)", 0, wish.recipe, key, "reproduce", model=wish.label)
    made = generate_again(item, job_settings, second, work)
    if made.raw is None:
        why = made.failure or "nothing came"
        raise UserError(Problem(wish.name, f"it was not made again: {why}", "`imagemake ledger --calls` has the call."))
    return compared(Store(store), wish.stored, second, made.raw)


def _honors(model: Model | None) -> bool | None:
    return model.facts.honors_seed if model else None


def _free_key(key: str, second: SecondStore) -> str:
    keys = (reproduction_key(key, number) for number in count(1))
    return next(one for one in keys if second.raw.find(one) is None)


def compared(store: Store, stored: StoredFile, second: SecondStore, again: StoredFile) -> Reproduced:
    """Compare the image that there is with the one that was made again.

    Raises:
        UserError: If one of them is no image.
    """
    from imagemake.images.decoded import Undecodable, decode_image
    from imagemake.images.distance import distance_between

    path = second.raw.path(again)
    if again.digest == stored.digest:
        return Reproduced(Likeness.SAME_BYTES, None, path)
    try:
        one, other = decode_image(store.raw.read(stored)), decode_image(second.raw.read(again))
    except Undecodable as error:
        raise UserError(Problem(str(path), f"cannot be compared: {error}", "Look at both files.")) from error
    distance = distance_between(one, other)
    if _has_same_pixels(one.pil, other.pil):
        return Reproduced(Likeness.SAME_PIXELS, distance, path)
    is_near = distance.hash_bits <= NEAR_BITS and distance.delta_e <= NEAR_DELTA_E
    return Reproduced(Likeness.NEAR if is_near else Likeness.DIFFERENT, distance, path)


def _has_same_pixels(one: Image, other: Image) -> bool:
    return (one.size, one.mode) == (other.size, other.mode) and one.tobytes() == other.tobytes()
