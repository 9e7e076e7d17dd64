"""Every value of a wrong type, in any key, is told in our own words: what is wrong, where, and what to do."""

import math
from collections.abc import Mapping
from typing import get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagemake.config.campaign import Campaign, load_campaign
from imagemake.config.models.facts import ModelFacts
from imagemake.core.mistakes import _is_model, _members
from imagemake.core.problems import UserError
from imagemake.plugins.measures import BUILT_IN as MEASURES
from imagemake.plugins.measures import measure_class
from imagemake.plugins.steps import BUILT_IN as STEPS
from imagemake.plugins.steps import step_class

LEAST = {"campaign": "Mugs", "catalog": "config/catalog.csv", "prompt": "A {color} mug", "name": "{sku}"}
KEYS = {"checks": "tone.contrast", "best": "tone.contrast", "patches": "tone", "pilot": "accepted", "small": "accepted"}
OF_PYDANTIC = ("Input", "[type=", "validation error", "pydantic", "Value error", "Assertion", "valid dictionary")
INSERTED = ("function-", "literal[", "[on]", "[off]", "Limit", "constrained", "nullable", "tuple[", "definition-ref")


def places(annotation, path=(), name=""):
    """Return the paths to everything that can be set in a model."""
    found = [path]
    for one in _members(annotation):
        if _is_model(one):
            for key, field in one.model_fields.items():
                found += places(field.annotation, (*path, key), key)
        elif isinstance(get_origin(one), type) and issubclass(get_origin(one), Mapping):
            found += places(get_args(one)[1], (*path, KEYS.get(name, "x")))
        elif get_origin(one) in (list, tuple):
            found += places(get_args(one)[0], (*path, 0))
    return found


def of_plugins():
    for name in MEASURES:
        yield from ((("validation", "measures", name), *path) for path in places(measure_class(name).Settings))
    for name in STEPS:
        yield from ((("postprocess", "steps", 0, name), *path) for path in places(step_class(name).Settings))


PLACES = [
    *places(Campaign),
    *((*first, *rest) for first, *rest in of_plugins()),
    *(("models", "openai", "gpt-image-1", *path) for path in places(ModelFacts)),
]
PLACES = sorted({path for path in PLACES if path}, key=str)
NUMBERS = [
    path for path in PLACES if isinstance(path[-1], str) and path[-1].endswith(("_s", "_px", "_min", "in_flight"))
]

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=9),
    st.sampled_from([10**400, "2026-02-30", "1:1", "#ff", "-1", math.nan, -math.inf]),
)
VALUES = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["x", "min", "max", "when", "by", "format", "label", "n", ""]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def with_value(path, value):
    for part in reversed(path):
        value = [value] if part == 0 else {part: value}
    return {**LEAST, **value}


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(PLACES), VALUES)
def test_whatever_a_key_holds_is_told_in_plain_words(path, value):
    try:
        load_campaign(with_value(path, value))
    except UserError as error:
        for problem in error.problems:
            told = f"{problem.what} {problem.remedy}"
            assert not [phrase for phrase in OF_PYDANTIC if phrase in told and phrase not in str(value)], told
            assert not [part for part in INSERTED if part in problem.where], problem.where
            assert problem.what.strip(), problem
            assert problem.remedy.strip(), problem


@pytest.mark.parametrize("path", NUMBERS, ids=str)
@pytest.mark.parametrize("value", [True, False, math.inf, math.nan])
def test_a_number_is_no_truth_value_and_finite(path, value):
    with pytest.raises(UserError) as caught:
        load_campaign(with_value(path, value))
    told = {problem.where.split(", ")[-1].split("[")[0]: problem.what for problem in caught.value.problems}
    assert any("should be a" in what for what in told.values()), told
