"""A request: one wanted image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imagemake.core.recipe import Json, Recipe
from imagemake.plan.requests.references import NOTHING, Attached

Parameters = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Request:
    """One wanted image.

    Attributes:
        name: File name without extension; unique in a campaign, on any file system.
        recipe: What decides the pixels of the first attempt.
        row: Row of the catalog, as a user counts it in the file.
        variables: The values of the row and of the variables, by column.
        take: The number of the take, from 1.
        model: The model as the user names it: a label of more_models or a model's name.
        attached: Reference images and mask, with their paths.
    """

    name: str
    recipe: Recipe
    row: int
    variables: Mapping[str, str]
    take: int
    model: str = ""
    attached: Attached = NOTHING
