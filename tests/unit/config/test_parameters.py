import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.parameters import fault_of_name, fault_of_value, parameter_from
from imagemake.core.recipe import canonical_json
from imagemake.core.secrets import is_secret_name, is_secret_value, shown


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1024", 1024),
        ("-3", -3),
        ("0.5", 0.5),
        ("7.0", 7.0),
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("01", "01"),
        ("1.50", "1.50"),
        ("+1", "+1"),
        ("1e3", "1e3"),
        ("-0", "-0"),
        ("1024x1024", "1024x1024"),
        ("٣", "٣"),
        ("9007199254740993", "9007199254740993"),
        ("9" * 5000, "9" * 5000),
        ("nan", "nan"),
        ("0.00001", "0.00001"),
    ],
)
def test_a_cell_is_a_number_only_where_it_is_written_as_one(cell, value):
    found = parameter_from(cell)
    assert (found, type(found)) == (value, type(value))


@given(st.one_of(st.text(max_size=20), st.from_regex(r"-?[0-9]{0,20}\.?[0-9]{0,20}", fullmatch=True)))
def test_what_a_cell_becomes_has_a_place_in_a_key_and_can_be_written_back(cell):
    value = parameter_from(cell)
    if isinstance(value, list | dict):
        assert orjson.loads(cell) == value
    elif isinstance(value, bool):
        assert cell == str(value).lower()
    elif not isinstance(value, str):
        assert repr(value) == cell
        canonical_json(value)


@pytest.mark.parametrize(
    "name", ["api_key", "apikey", "X-Api-Key", "access_token", "client_secret", "password", "token"]
)
def test_parameters_named_like_secrets_are_refused(name):
    assert is_secret_name(name)
    assert fault_of_name(name) is not None


@pytest.mark.parametrize("name", ["size", "quality", "max_tokens", "guidance_scale", "keyframes", "style.name"])
def test_parameters_of_models_are_not_taken_for_secrets(name):
    assert fault_of_name(name) is None


@pytest.mark.parametrize("name", ["prompt", "seed", "model", "n", "negative_prompt", "größe", "", "a b"])
def test_parameters_that_are_keys_of_their_own_or_cannot_be_in_a_key_are_refused(name):
    assert fault_of_name(name) is not None


@pytest.mark.parametrize(
    "value",
    [
        "sk-proj-abcdefgh12345678",
        "Bearer abcdefghij",
        "https://user:pass@host/",
        "AKIA" + "A" * 16,
        "hf_" + "a" * 30,
        "eyJ" + "a" * 20 + "." + "b" * 20,
    ],
)
def test_values_that_look_like_secrets_are_refused_and_never_shown(value):
    assert is_secret_value(value)
    what, remedy = fault_of_value(value)
    assert value not in what + remedy + shown({"a": [value]})


@pytest.mark.parametrize("value", ["1024x1024", "high", "desk-lamp", "risk-free", "https://host/path", 7, 0.5, True])
def test_ordinary_values_are_no_secrets(value):
    assert fault_of_value(value) is None


@pytest.mark.parametrize(
    "value", [[2**60], {"a": [float("inf")]}, {"ä": 1}, {1: 2}, None, 2**60, 1e-12, float("nan"), "a\x00b"]
)
def test_values_that_no_key_can_hold_are_refused(value):
    assert fault_of_value(value) is not None


@pytest.mark.parametrize("value", [[1, None], {"only": ["a", "b"], "allow_fallbacks": False}, []])
def test_lists_and_mappings_are_parameters(value):
    assert fault_of_value(value) is None


@pytest.mark.parametrize("value", [["sk-proj-abcdefgh12345678"], {"a": {"api_key": "x"}}, {"a": ["b\x00"]}])
def test_what_is_refused_alone_is_refused_inside_of_others(value):
    assert fault_of_value(value) is not None


def test_the_levels_of_a_parameter_are_bounded():
    deep = 1
    for _ in range(1000):
        deep = [deep]
    assert "levels" in fault_of_value(deep)[0]


@pytest.mark.parametrize(
    ("cell", "value"), [('{"only": ["a"]}', {"only": ["a"]}), ("[1, 2]", [1, 2]), ("[red]", "[red]"), ("{", "{")]
)
def test_a_cell_with_json_is_a_list_or_a_mapping(cell, value):
    assert parameter_from(cell) == value


def test_a_long_value_is_shown_short():
    assert len(shown("x" * 10_000)) < 100
