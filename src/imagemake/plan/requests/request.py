"""A request: one image that is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imagemake.core.recipe import Recipe, Scalar
from imagemake.plan.requests.references import NOTHING, Attached

Parameters = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Request:
    """One image that is wanted.

    Attributes:
        name: File name without extension; no two requests of a campaign share one, on any file system.
        recipe: What decides the pixels of the first attempt.
        row: Row of the catalog, as a user counts it in the file.
        variables: The row's values and those of the variables, by column.
        take: From 1.
        model: Who makes it, as the user names it: a label of more_models or a model's name.
        attached: Reference images and mask, with their paths.
    """

    name: str
    recipe: Recipe
    row: int
    variables: Mapping[str, str]
    take: int
    model: str = ""
    attached: Attached = NOTHING
