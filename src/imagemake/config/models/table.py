"""The known models: the built-in table, and a campaign's own facts."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict

from imagemake.config.models.facts import ModelFacts
from imagemake.core.mistakes import dotted, problems_of, validated
from imagemake.core.problems import Problem, UserError
from imagemake.core.recipe import Recipe
from imagemake.core.text import did_you_mean

Name = tuple[str, str]
ANY = "*"


class _Tables(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    models: Mapping[str, Mapping[str, ModelFacts]]

    def by_name(self) -> Mapping[Name, ModelFacts]:
        return {(provider, name): facts for provider, models in self.models.items() for name, facts in models.items()}


# Compared by identity, so that caches do not hash every fact of a model.
@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model and its facts.

    Attributes:
        provider: Registered name of the provider, such as ``openai``.
        name: The provider's name of the model.
        facts: Its facts, including those from the model that it is ``like``.
    """

    provider: str
    name: str
    facts: ModelFacts


@dataclass(frozen=True, slots=True)
class ModelTable:
    """The known models.

    Attributes:
        models: By provider and name. Models of a server that has a name of its own (an identity or a preset) can be
            under that name, and ``*`` stands for all models of it, or of the provider itself, that are not listed.
    """

    models: Mapping[Name, Model]
    _others: dict[Name, Model] = field(default_factory=dict)  # made from `*`, each once

    def get(self, provider: str, name: str, server: str | None = None) -> Model | None:
        """Return a model; None if it is unknown: it can be used, unchecked and at unknown cost.

        Args:
            provider: Registered name of the provider.
            name: The provider's name of the model.
            server: Name of the server in keys, unless it is the provider's own.
        """
        # A server that the build starts is called by its preset and, after a colon, its command.
        for known in (server, server.partition(": ")[0]) if server is not None else ():
            if found := self.models.get((known, name)):
                return found
            if (known, ANY) in self.models:
                return self._others.setdefault((known, name), Model(known, name, self.models[known, ANY].facts))
        found = self.models.get((provider, name))
        if found is None and server is None and (provider, ANY) in self.models:
            return self._others.setdefault((provider, name), Model(provider, name, self.models[provider, ANY].facts))
        return found

    def of(self, recipe: Recipe) -> Model | None:
        """Return the model of a recipe; see `get`."""
        return self.get(recipe.provider, recipe.model, recipe.endpoint)

    def near(self, provider: str, name: str) -> str:
        """Return ``Did you mean 'gpt-image-2'?`` for the nearest known model; empty if none is near."""
        return did_you_mean(name, [known for owner, known in self.models if owner == provider])


def load_models(
    overrides: Mapping[str, Mapping[str, ModelFacts | Mapping[str, Any]]] | None = None,
    *,
    where: str = "config/config.yaml",
) -> ModelTable:
    """Load the built-in table and apply a campaign's own facts.

    A campaign's fact replaces the built-in one; only `parameters` are merged by name. Models that are ``like`` a
    changed one change with it. What a campaign does not say of a model of a server is as for all models of it (``*``).

    Args:
        overrides: Facts by provider, then by model, as plain data or validated.
        where: The file to name in errors.

    Raises:
        UserError: With every mistake in the overrides.
    """
    own = _checked(overrides, where) if overrides else {}
    given = dict(_bundled())
    for name in sorted(own, key=lambda name: name[1] != ANY):  # a server's `*` first, since others are above it
        of_all = given.get((name[0], ANY)) if own[name].like is None else None
        given[name] = facts_over(_bundled().get(name, of_all), own[name])
    problems = [problem for name in own for problem in _problems_of_likes(name, given, where)]
    if problems:
        raise UserError(problems)
    return ModelTable({name: Model(*name, _whole(name, given)) for name in given})


@cache
def _bundled() -> Mapping[Name, ModelFacts]:
    text = files("imagemake.config.models").joinpath("models.toml").read_text(encoding="utf-8")
    return _Tables(models=tomllib.loads(text)).by_name()


def _checked(overrides: Mapping[str, Any], where: str) -> Mapping[Name, ModelFacts]:
    found = validated(_Tables, {"models": overrides})
    if isinstance(found, list):
        raise UserError(problems_of(found, where))
    return found.by_name()


def facts_over(base: ModelFacts | None, top: ModelFacts) -> ModelFacts:
    """Return facts with those above them: each replaces the one below, and only `parameters` are merged by name."""
    if base is None:
        return top
    update = {name: getattr(top, name) for name in top.model_fields_set}
    if base.parameters and top.parameters:
        update["parameters"] = {**base.parameters, **top.parameters}
    return base.model_copy(update=update)


def _likes(name: Name, given: Mapping[Name, ModelFacts]) -> Iterator[Name]:
    # From the model itself along `like`; ends at an unknown name, or one that was seen before.
    seen: set[Name] = set()
    while name not in seen:
        yield name
        seen.add(name)
        if name not in given or given[name].like is None:
            return
        name = (name[0], given[name].like or "")
    yield name


def _problems_of_likes(name: Name, given: Mapping[Name, ModelFacts], where: str) -> Iterator[Problem]:
    chain = list(_likes(name, given))
    place = f"{where}, {dotted(('models', *name, 'like'))}"
    if chain[-1] in chain[:-1]:
        circle = " -> ".join(model for _, model in chain)
        yield Problem(place, f"this is a circle: {circle}.", "Remove like from one of them.")
    elif chain[-1] not in given:
        known = ", ".join(sorted(model for provider, model in given if provider == name[0])) or "none"
        what = f"{name[0]} has no known model '{chain[-1][1]}'."
        yield Problem(place, what, f"Use another model; known are {known}.")


def _whole(name: Name, given: Mapping[Name, ModelFacts]) -> ModelFacts:
    whole: ModelFacts | None = None
    for part in reversed(list(_likes(name, given))):
        whole = facts_over(whole, given[part])
    assert whole is not None, "a chain starts with its own model"
    return whole
