"""Chooses each request's model: from its row or variables, else by a rule, else the campaign's model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from imagemake.config.model import ModelSettings
from imagemake.config.models import load_models
from imagemake.config.several_models import settings_of
from imagemake.core.problems import Problem
from imagemake.core.text import did_you_mean
from imagemake.plan.requests.matching import Match, read_match, values_missing

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign

MODEL = "model"  # the column or variable that names the model


class ModelChoice:
    """Chooses models for requests.

    Args:
        campaign: The campaign, with its models and rules.
        columns: The columns of the catalog.
        where: The campaign's file, to name in problems.

    Attributes:
        problems: Mistakes in the rules; rules with a mistake are not applied.
    """

    def __init__(self, campaign: Campaign, columns: Collection[str], where: str) -> None:
        self.problems: list[Problem] = []
        self._campaign = campaign
        self._misspelled: dict[str, tuple[str, str] | None] = {}
        self._settings: dict[str, ModelSettings] = {}
        self._rules: list[tuple[Match, tuple[str, ...]]] = []
        for i, rule in enumerate(campaign.model_rules):
            read = read_match(f"{where}, model_rules[{i}].when", rule.when, campaign.variables, columns)
            wrong = values_missing(read, campaign.variables) if isinstance(read, Match) else read
            self.problems += wrong
            faults = filter(None, map(self.misspelled, rule.model))
            self.problems += [Problem(f"{where}, model_rules[{i}].model", *fault) for fault in faults]
            if isinstance(read, Match) and not wrong:
                self._rules.append((read, rule.model))
        self._unused = {match.place for match, _ in self._rules}

    def labels(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Return the labels or names of the models that may make a request, in order of preference.

        Args:
            values: The values of its columns and variables.
        """
        own = values.get(MODEL)
        return (own,) if own else self._by_rule(values) or (self._campaign.model.name,)

    def settings(self, label: str) -> ModelSettings:
        """Return the settings of a model."""
        if label not in self._settings:
            self._settings[label] = settings_of(label, self._campaign)
        return self._settings[label]

    def misspelled(self, label: str) -> tuple[str, str] | None:
        """Return the problem and its remedy if a label is an unknown model and nearly one of the known labels."""
        if label not in self._misspelled:
            more, own = self._campaign.more_models, self._campaign.model
            near = "" if label in ("", own.name, *more) else did_you_mean(label, more)
            known = not near or load_models(self._campaign.models).get(own.provider, label) is not None
            what = f"{label!r} is neither a label of more_models nor a known model of provider {own.provider}."
            self._misspelled[label] = None if known else (what, near)
        return self._misspelled[label]

    def never_used(self) -> list[Problem]:
        """Return a problem for each rule that matched no request so far; call it after the last one."""
        remedy = "Correct its values, move it before a rule that matches the same requests, or remove it."
        return [Problem(place, "this rule matches no request.", remedy) for place in self._unused]

    def _by_rule(self, values: Mapping[str, str]) -> tuple[str, ...] | None:
        for match, labels in self._rules:
            if match.holds_for_row(values) and match.holds_for(values):
                self._unused.discard(match.place)
                return labels
        return None
