"""Checks whether a model accepts a size, before any call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from imagemake.config.models.facts import ModelFacts, SizeRule
from imagemake.config.models.findings import ModelFinding, error, shown
from imagemake.config.models.table import Model
from imagemake.plugins.providers.sizes import parse_size, without_tiers

SIZE = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")


def size_problems(model: Model, parameters: Mapping[str, Any]) -> Iterator[ModelFinding]:
    """Yield what is wrong with the size among a recipe's parameters."""
    yield from _listed(model, parameters)
    yield from _ratio(model, parameters)


def _listed(model: Model, parameters: Mapping[str, Any]) -> Iterator[ModelFinding]:
    facts, size = model.facts, parameters.get("size")
    if size is None or (facts.sizes is None and facts.size_rule is None) or size in (facts.sizes or ()):
        return
    edges = SIZE.fullmatch(size) if isinstance(size, str) else None
    if facts.size_rule is None or edges is None:
        broken = ["is not one of its sizes"]
    else:
        broken = list(_broken(facts.size_rule, int(edges[1]), int(edges[2])))
    if broken:
        yield error(
            f"size {shown(size)} {' and '.join(broken)}, so {model.name} does not accept it.", _sizes_taken(facts)
        )


def _ratio(model: Model, parameters: Mapping[str, Any]) -> Iterator[ModelFinding]:
    """Check a size such as ``2:3@2K`` where facts tell ratios and tiers as parameters."""
    size, rules = parse_size(given := parameters.get("size")), model.facts.parameters
    if rules is None or model.facts.sizes or model.facts.size_rule or (size is not None and size.is_pixels):
        return
    ratio = None if size is None else f"{size.width}:{size.height}"
    bare = given if given != "auto" and "resolution" in rules else None  # such as 2K
    tier = bare if size is None else size.tier
    for name, value in (("aspect_ratio", ratio), ("resolution", tier)):
        rule = rules.get(name)
        right = "a size without it" if rule is None else rule.right_values(value)
        if value is not None and right is not None:
            what = f"{model.name} does not accept {name.replace('_', ' ')} {shown(value)}, which size asks for."
            yield error(what, f"Use {right}.")


def _broken(rule: SizeRule, width: int, height: int) -> Iterator[str]:
    short, long = sorted((width, height))
    if width % rule.multiple_px or height % rule.multiple_px:
        yield f"has an edge that is not a multiple of {rule.multiple_px}"
    if rule.min_edge_px is not None and short < rule.min_edge_px:
        yield f"has an edge below {rule.min_edge_px} pixels"
    if rule.max_edge_px is not None and long > rule.max_edge_px:
        yield f"has an edge above {rule.max_edge_px} pixels"
    if rule.max_ratio is not None and long > rule.max_ratio * short:
        yield f"is longer than {rule.max_ratio:g}:1"
    if rule.min_pixels is not None and width * height < rule.min_pixels:
        yield f"has fewer than {rule.min_pixels:,} pixels"
    if rule.max_pixels is not None and width * height > rule.max_pixels:
        yield f"has more than {rule.max_pixels:,} pixels"


def _sizes_taken(facts: ModelFacts) -> str:
    ways, tiers = without_tiers(facts.sizes or ())
    ways += [f"one of these ratios with {', '.join(f'@{tier}' for tier in tiers)}"] if tiers else []
    if (rule := facts.size_rule) is not None:
        limits = {
            f"edges that are multiples of {rule.multiple_px}": rule.multiple_px > 1,
            f"no edge below {rule.min_edge_px} pixels": rule.min_edge_px,
            f"no edge above {rule.max_edge_px} pixels": rule.max_edge_px,
            f"a ratio of at most {rule.max_ratio or 0:g}:1": rule.max_ratio,
            f"at least {rule.min_pixels or 0:,} pixels in all": rule.min_pixels,
            f"at most {rule.max_pixels or 0:,} pixels in all": rule.max_pixels,
        }
        ways.append(f"WIDTHxHEIGHT with {', '.join(text for text, holds in limits.items() if holds) or 'any edges'}")
    return f"Use {', or '.join(ways)}." if ways else "Remove size."
