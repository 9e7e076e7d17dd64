"""What a value should be instead, in plain words, by the type of a pydantic error. No text of pydantic is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MAPPING, _LIST = "should be a mapping of keys to values", "should be a list"
_TEXT, _WHOLE, _NUMBER = "should be text", "should be a whole number", "should be a number"
_TRUTH, _DATE, _TIME = "should be true or false", "should be a date such as 2026-11-01", "should be a time"
_FORM = "is not in the form that is expected here"

_SHOULD_BE = {
    "bool_parsing": _TRUTH,
    "bool_type": _TRUTH,
    "bytes_type": _TEXT,
    "date_from_datetime_inexact": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_parsing": _DATE,
    "date_type": _DATE,
    "decimal_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "dict_type": _MAPPING,
    "finite_number": "should be a finite number",
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "frozen_set_type": _LIST,
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "is too large",
    "int_type": _WHOLE,
    "iterable_type": _LIST,
    "json_invalid": "is not JSON",
    "json_type": "is not JSON",
    "list_type": _LIST,
    "mapping_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "model_type": _MAPPING,
    "none_required": "should be null",
    "path_type": "should be a path",
    "set_type": _LIST,
    "string_pattern_mismatch": _FORM,
    "string_sub_type": _TEXT,
    "string_type": _TEXT,
    "string_unicode": "is not readable as text",
    "time_parsing": _TIME,
    "time_type": _TIME,
    "tuple_type": _LIST,
    "url_parsing": "is not an address",
    "url_type": "is not an address",
    "uuid_parsing": _FORM,
    "uuid_type": _FORM,
}
_BOUNDS = {
    "greater_than": ("gt", "should be more than {}"),
    "greater_than_equal": ("ge", "should be at least {}"),
    "less_than": ("lt", "should be less than {}"),
    "less_than_equal": ("le", "should be at most {}"),
    "multiple_of": ("multiple_of", "should be a multiple of {}"),
    "literal_error": ("expected", "should be {}"),
    "enum": ("expected", "should be {}"),
    "decimal_max_digits": ("max_digits", "should have at most {} digits"),
    "decimal_max_places": ("decimal_places", "should have at most {} digits after the point"),
    "decimal_whole_digits": ("whole_digits", "should have at most {} digits before the point"),
}
_COUNTS = {
    "string_too_short": ("min_length", "at least", "character"),
    "string_too_long": ("max_length", "at most", "character"),
    "bytes_too_short": ("min_length", "at least", "character"),
    "bytes_too_long": ("max_length", "at most", "character"),
    "too_short": ("min_length", "at least", "value"),
    "too_long": ("max_length", "at most", "value"),
}


def rule_broken(error_type: str, context: Mapping[str, Any]) -> str:
    """Return the rule that a value breaks, to follow the value, such as ``should be at least 1``.

    Args:
        error_type: pydantic's name of the error.
        context: What pydantic says about it, such as the bound.
    """
    if error_type in _SHOULD_BE:
        return _SHOULD_BE[error_type]
    if error_type in _BOUNDS and (bound := context.get(_BOUNDS[error_type][0])) is not None:
        return _BOUNDS[error_type][1].format(bound)
    if error_type in _COUNTS and (count := context.get(_COUNTS[error_type][0])) is not None:
        _, bounds, noun = _COUNTS[error_type]
        return f"should have {bounds} {count} {noun}{'' if count == 1 else 's'}"
    return "is not valid here"
