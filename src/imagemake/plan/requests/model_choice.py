"""Which model makes a request: the one that its row or its variables name, else that of a rule, else the campaign's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from imagemake.config.model import ModelSettings, settings_of
from imagemake.config.models import load_models
from imagemake.core.problems import Problem
from imagemake.core.text import did_you_mean
from imagemake.plan.requests.matching import Match, read_match, values_missing

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign

MODEL = "model"  # the column or variable that names one


class ModelChoice:
    """Chooses models for requests.

    Args:
        campaign: With its models and rules.
        columns: What rows have.
        where: The campaign's file, to name in problems.

    Attributes:
        problems: What is wrong with the rules; those with a problem are left out.
    """

    def __init__(self, campaign: Campaign, columns: Collection[str], where: str) -> None:
        self.problems: list[Problem] = []
        self._campaign = campaign
        self._misspelled: dict[str, tuple[str, str] | None] = {}
        self._settings: dict[str, ModelSettings] = {}
        self._rules: list[tuple[Match, str]] = []
        for i, rule in enumerate(campaign.model_rules):
            read = read_match(f"{where}, model_rules[{i}].when", rule.when, campaign.variables, columns)
            wrong = values_missing(read, campaign.variables) if isinstance(read, Match) else read
            self.problems += wrong
            if fault := self.misspelled(rule.model):
                self.problems.append(Problem(f"{where}, model_rules[{i}].model", *fault))
            if isinstance(read, Match) and not wrong:
                self._rules.append((read, rule.model))
        self._unused = {match.place for match, _ in self._rules}

    def label(self, values: Mapping[str, str]) -> str:
        """Return the label or name of the model that makes a request.

        Args:
            values: Of its columns and variables.
        """
        return values.get(MODEL) or self._by_rule(values) or self._campaign.model.name

    def settings(self, label: str) -> ModelSettings:
        """Return who makes the images of a label."""
        if label not in self._settings:
            self._settings[label] = settings_of(label, self._campaign)
        return self._settings[label]

    def misspelled(self, label: str) -> tuple[str, str] | None:
        """Return what is wrong with a label, and a remedy: nobody knows that model, but it is nearly a label."""
        if label not in self._misspelled:
            more, own = self._campaign.more_models, self._campaign.model
            near = "" if label in ("", own.name, *more) else did_you_mean(label, more)
            known = not near or load_models(self._campaign.models).get(own.provider, label) is not None
            what = f"{label!r} is no label of more_models, and no model that is known of provider {own.provider}."
            self._misspelled[label] = None if known else (what, near)
        return self._misspelled[label]

    def never_used(self) -> list[Problem]:
        """Return a problem for each rule that held for no request so far; ask after the last one."""
        remedy = "Correct the values, put it before a rule that holds for the same requests, or take it out."
        return [Problem(place, "no request gets its model by this rule.", remedy) for place in self._unused]

    def _by_rule(self, values: Mapping[str, str]) -> str | None:
        for match, label in self._rules:
            if match.holds_for_row(values) and match.holds_for(values):
                self._unused.discard(match.place)
                return label
        return None
