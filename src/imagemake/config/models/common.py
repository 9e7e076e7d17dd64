"""What is certain about a model that several endpoints may serve: what all of them take, and the highest price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imagemake.config.models.facts import ModelFacts, ParameterRule, Usd

_LEAST = ("max_prompt_characters", "max_reference_images", "max_reference_bytes", "max_mask_bytes")


def common_facts(endpoints: Sequence[ModelFacts]) -> ModelFacts:
    """Return the facts that hold whichever endpoint serves a request.

    Args:
        endpoints: The facts of each; at least one.
    """
    first = endpoints[0]
    if len(endpoints) == 1:
        return first
    common: dict[str, Any] = {
        name: getattr(first, name)
        for name in set.intersection(*(one.model_fields_set for one in endpoints)) - {"parameters"}
        if all(getattr(one, name) == getattr(first, name) for one in endpoints)
    }
    for name in _LEAST:
        if None not in (values := [getattr(one, name) for one in endpoints]):
            common[name] = min(values)
    rules = [one.parameters for one in endpoints if one.parameters is not None]
    if len(rules) == len(endpoints):
        shared = [name for name in rules[0] if all(name in one for one in rules)]
        common["parameters"] = {name: _common_rule([one[name] for one in rules]) for name in shared}
    if "prices" not in common:
        highest = [_highest_usd(one) for one in endpoints]
        known = [usd for usd in highest if usd is not None]
        common |= {"max_usd_per_image": max(known)} if len(known) == len(endpoints) else {}
    return ModelFacts.model_construct(_fields_set={*common}, **common)


def _common_rule(rules: Sequence[ParameterRule | None]) -> ParameterRule | None:
    given = [rule for rule in rules if rule is not None]
    if len(given) < len(rules):
        return None
    if len({(rule.one_of, rule.min, rule.max) for rule in given}) == 1:  # most often, and several times quicker
        return given[0]
    lists = [rule.one_of for rule in given if rule.one_of is not None]
    least, most = ([value for rule in given if (value := getattr(rule, name)) is not None] for name in ("min", "max"))
    return ParameterRule(
        one_of=tuple(one for one in lists[0] if all(one in other for other in lists)) if lists else None,
        min=max(least, default=None),
        max=min(most, default=None),
    )


def _highest_usd(facts: ModelFacts) -> Usd | None:
    flat = facts.prices.usd_per_image if facts.prices else None
    return facts.max_usd_per_image if flat is None else flat
