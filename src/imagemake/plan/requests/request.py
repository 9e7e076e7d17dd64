"""A request: one wanted image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from imagemake.core.recipe import Json, Recipe
from imagemake.plan.requests.references import NOTHING, Attached

Parameters = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Route:
    """One of several models that a request may get, in order of preference.

    Attributes:
        label: The model as the user names it.
        recipe: What decides the pixels of the first attempt by it.
        why_not: Why it cannot make the image; empty if it can.
    """

    label: str
    recipe: Recipe
    why_not: str


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
        routes: All models that it may get, in order of preference; empty if there is only one.
        needs_approval: Whether a person must approve its image, because others are made from it only then.
    """

    name: str
    recipe: Recipe
    row: int
    variables: Mapping[str, str]
    take: int
    model: str = ""
    attached: Attached = NOTHING
    routes: tuple[Route, ...] = ()
    needs_approval: bool = False

    @property
    def parents(self) -> tuple[str, ...]:
        """Names of the other images of the campaign that it is made from."""
        return self.attached.parents

    @property
    def labels(self) -> list[str]:
        """The labels of all models that it may get."""
        return [route.label for route in self.routes] or [self.model or self.recipe.model]

    @property
    def recipes(self) -> list[Recipe]:
        """The recipes of the first attempts by all models that it may get."""
        return [route.recipe for route in self.routes] or [self.recipe]

    @property
    def spare(self) -> Request | None:
        """The request with the model that makes what its current one refuses; None if nothing does."""
        route = next((route for route in self.routes[self.place + 1 :] if not route.why_not), None)
        return None if route is None else self.by(route)

    @property
    def place(self) -> int:
        """The place of its model among those that it may get."""
        return self.labels.index(self.model) if self.routes else 0

    def made_from(self, digests: Mapping[str, str]) -> Request:
        """Return it with the digests of the images that it is made from, by their names."""
        attached = self.attached.with_digests(digests)
        sent = attached.digests
        routes = tuple(replace(one, recipe=replace(one.recipe, references=sent)) for one in self.routes)
        return replace(self, attached=attached, recipe=replace(self.recipe, references=sent), routes=routes)

    def by(self, route: Route) -> Request:
        """Return it with another of its models."""
        return replace(self, model=route.label, recipe=route.recipe)
