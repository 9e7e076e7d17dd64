from typing import get_args

import pytest
from pydantic_core import PydanticKnownError, core_schema

from imagemake.core.wrong_values import rule_broken

TYPES = [kind for kind in get_args(core_schema.ErrorType) if kind not in ("missing", "extra_forbidden")]
PHRASES = ("Input", "validation error", "[type=", "For further information", "should be a valid")


@pytest.mark.parametrize("kind", TYPES)
def test_no_type_of_error_is_told_in_the_words_of_pydantic(kind):
    names = ("gt", "ge", "lt", "le", "multiple_of", "expected", "max_digits", "decimal_places", "whole_digits")
    context = {**dict.fromkeys(names, "3"), "min_length": 1, "max_length": 2}
    for told in (rule_broken(kind, context), rule_broken(kind, {})):
        assert told.startswith(("should ", "is "))
        assert not any(phrase in told for phrase in PHRASES)


def test_the_rule_has_the_bound_in_it():
    error = PydanticKnownError("too_short", {"field_type": "List", "min_length": 1, "actual_length": 0})
    assert rule_broken(error.type, error.context) == "should have at least 1 value"
    assert rule_broken("string_too_long", {"max_length": 8}) == "should have at most 8 characters"
    assert rule_broken("less_than_equal", {"le": 16}) == "should be at most 16"
