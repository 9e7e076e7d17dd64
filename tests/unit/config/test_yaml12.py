import json
import pickle
import re

import pytest
import yaml
from folders import REPOSITORY
from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.campaign import load_campaign
from imagemake.config.load import read_campaign, read_config, run_config
from imagemake.config.yaml12 import read_yaml
from imagemake.config.yaml_text import YamlError
from imagemake.core.problems import UserError

LEAST = "campaign: x\ncatalog: c.csv\nprompt: x\nname: '{sku}'\n"
TEXT = st.text(st.characters(codec="utf-8"))


def campaign(more):
    return load_campaign(read_yaml(LEAST + more))


@pytest.mark.parametrize(
    "written",
    [
        *["00123", "16:9", "4:3", "1:1", "1_000", "1.10", "010", "NO", "on", "off", "yes", "no", "y", "1e3", "0x1F"],
        *["0o17", "+3", "-0", "-.5", "5.", "2026-11-27", "12:30:45", "true", "True", "TRUE", "false", "190:20:30"],
        *["0b11", "1_0.5", "18446744073709551615", "=", "0.10", "1E5", "nO", "tRue"],
    ],
)
@pytest.mark.parametrize("quotes", ["", "'", '"'])
def test_a_cell_is_the_text_that_is_written_with_or_without_quotes(written, quotes):
    value = quotes + written + quotes
    cells = f"{{v: [{value}, other]}}"
    for key in ("variables", "exclude", "include"):
        made = campaign(f"{key}: {cells if key == 'variables' else f'[{cells}]'}")
        found = getattr(made, key) if key == "variables" else getattr(made, key)[0]
        assert found["v"] == (written, "other")
    assert campaign(f"defaults: {{v: {value}}}").defaults == {"v": written}
    assert campaign(f"model_rules: [{{when: {{v: {value}}}, model: m}}]").model_rules[0].when["v"] == (written,)
    assert campaign(f"only: [{value}]").only == (written,)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        ("TRUE", True),
        ("true", True),
        ("16:9", "16:9"),
        ("1_000", "1_000"),
        ("NO", "NO"),
        ("'010'", "010"),
        ("+5", 5),
        ("False", False),
    ],
)
def test_a_parameter_is_a_plain_number_truth_value_or_text(written, value):
    found = campaign(f"model: {{parameters: {{p: {written}}}}}").model.parameters["p"]
    assert found == value
    assert type(found) is type(value)


def test_numbers_and_truth_values_of_other_keys_are_plain():
    made = campaign(
        "takes: 010\nattempts: {max: 003}\nlimits: {first_wait_s: 1.50}\nvalidation: {near_duplicates: False}"
    )
    assert [type(made.takes), made.takes] == [int, 10]
    assert [type(made.attempts.max), made.attempts.max] == [int, 3]
    assert [type(made.limits.first_wait_s), made.limits.first_wait_s] == [float, 1.5]
    assert made.validation.near_duplicates is False


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("metadata: {xmp: no}", "metadata.xmp: 'no' should be true or false"),
        ("metadata: {xmp: 1}", "metadata.xmp: 1 should be true or false"),
        ("takes: 1_000", "takes: '1_000' should be a whole number"),
        ("limits: {in_flight: 1.50}", "limits.in_flight: 1.50 should be a whole number"),
        ("limits: {first_wait_s: 1:30}", "limits.first_wait_s: '1:30' should be a number"),
    ],
)
def test_what_yaml_1_1_would_have_read_is_told_in_plain_words(more, words):
    with pytest.raises(UserError, match=f"{re.escape(words)}[.]\n"):
        campaign(more)


def test_keys_are_texts_and_merge_keys_merge():
    made = read_yaml("base: &b {on: 1, 007: 2, no: 3}\nmore: {<<: *b, no: 4}\n")
    assert made["base"] == {"on": 1, "007": 2, "no": 3}
    assert made["more"] == {"on": 1, "007": 2, "no": 4}


def test_spelled_values_survive_copies():
    values = read_yaml("[00123, 1.10, True]")
    assert repr(pickle.loads(pickle.dumps(values))) == repr(values) == "[00123, 1.10, True]"


def printed_examples():
    """Yield each key and example of the reference page, as it is printed there."""
    page = (REPOSITORY / "config" / "README.md").read_text(encoding="utf-8")
    for key, meaning in re.findall(r"^\| `([a-z_0-9]+)` \|(.*)", page, re.MULTILINE):
        for example in re.findall(r"`([^`]+)`", meaning.partition(" Example: ")[2]):
            yield key, example


@pytest.mark.parametrize(("key", "example"), list(printed_examples()))
def test_every_example_of_the_reference_is_read_as_it_is_printed(key, example):
    assert read_yaml(f"{key}: {example}") == {key: json.loads(example)}


def test_alerts_on_works_as_documented():
    assert campaign("alerts: {on: [finished]}").alerts.on == ("finished",)
    assert ("on", '["finished", "stopped", "budget", "failures", "crashed", "gpu"]') in list(printed_examples())


@given(TEXT)
def test_any_quoted_text_comes_back(text):
    assert read_yaml(yaml.safe_dump({"k": text}, default_style='"'))["k"] == text
    assert read_yaml(json.dumps([text])) == [text]


@given(st.recursive(TEXT | st.integers(-(2**63), 2**64 - 1) | st.booleans() | st.none(), st.lists, max_leaves=9))
def test_data_written_as_json_comes_back(data):
    assert read_yaml(json.dumps(data)) == data


@given(st.text("ab01:.-+ ?*&!|>'\"%@`#,[]{}<\n\\Ux_~", max_size=40))
def test_any_text_is_read_or_told_with_its_place(text):
    try:
        read_yaml(text)
    except YamlError as error:
        assert error.line >= 1
        assert error.column >= 1


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("takes: 1\ntakes: 2", 2, 1, "the key 'takes' appears twice"),
        ("a:\n  b: 1\n  c: 2\n  b: 3", 4, 3, "the key 'b' appears twice"),
        ("a: [1\nb: 2", 2, 2, "expected ',' or ']'"),
        ("a:\n\t- b", 2, 1, "cannot start any token"),
        ("a: 'x", 1, 6, "quoted scalar"),
        ("a: *b", 1, 4, "undefined alias 'b'"),
        ("a: &b [*b]", 1, 8, "contains it"),
        ("a: !!python/name:os.system x", 1, 4, "is not known"),
        ("a: !!timestamp 2026-11-27", 1, 4, "is not known"),
        ("[a]: 1", 1, 1, "a key is a list"),
        ("a: 1\nb: \x07", 2, 4, "U+0007"),
        ('a: "\\UFFFFFFFF"', 1, 7, "this escape is not a character"),
        ("a: 1\nb: [2, 18446744073709551616]", 2, 8, "does not fit 64 bits"),
        ("a: -9223372036854775809", 1, 4, "does not fit 64 bits"),
        (f"a: {'9' * 5000}", 1, 4, "does not fit 64 bits"),
        ("[" * 5000, 1, 102, "more than 100 levels"),
        ("a: 1\n--- b", 2, 1, "another document"),
    ],
)
def test_mistakes_name_the_line_and_the_column(tmp_path, text, line, column, words):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(words)) as told:
        read_campaign(path)
    assert f"{path}, line {line}, column {column}: " in str(told.value)


@pytest.mark.parametrize("items", ["[{}]", "{{{}}}"])
def test_a_billion_laughs_are_an_error_before_they_are_built(items):
    levels = ["a0: &a0 x"]
    for n in range(1, 40):
        parts = [f"*a{n - 1}", f"*a{n - 1}"]
        parts = parts if items.startswith("[") else [f"{key}: {part}" for key, part in zip("kl", parts, strict=True)]
        levels.append(f"a{n}: &a{n} {items.format(', '.join(parts))}")
    with pytest.raises(YamlError, match="more than 1,000,000 values"):
        read_yaml("\n".join(levels))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"# \n" * 4_000_000, "at most 10,000,000"),
        (b"a: 1\nb: \xff", "line 2, column 4: byte 0xff"),
        (b"- a", "instead of keys"),
    ],
)
def test_files_that_are_no_configuration_are_told(tmp_path, data, words):
    (tmp_path / "config.yaml").write_bytes(data)
    with pytest.raises(UserError, match=words):
        read_config(tmp_path / "config.yaml")


def test_files_with_a_byte_order_mark_are_read(tmp_path):
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "config.yaml").write_bytes("a: ü".encode(encoding))
        assert read_config(tmp_path / "config.yaml") == {"a": "ü"}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A project with a small configuration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("a: 1\nb: {c: 2, d: 3}")
    (tmp_path / "more.yaml").write_text("b: {c: 00123}\ne: 1.10")
    return tmp_path


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("0123", "0123"),
        ("1_000", "'1_000'"),
        ("16:9", "'16:9'"),
        ("*_red", "'*_red'"),
        ("'0123'", "'0123'"),
        ("M-7_*,M-8_*", "'M-7_*,M-8_*'"),
        ("", "None"),
        ("[01, x]", "[01, 'x']"),
        ("a=b", "'a=b'"),
        ("9" * 30, f"'{'9' * 30}'"),
    ],
)
def test_a_value_of_the_command_line_keeps_its_spelling(own, value, read):
    assert repr(run_config([], [f"only={value}"])["only"]) == read


def test_files_and_values_of_the_command_line_add_to_the_configuration(own):
    made = run_config([own / "more.yaml"], ["b={d: {x: 010}}", "a="])
    assert repr(made) == "{'a': None, 'b': {'c': 00123, 'd': {'x': 010}}, 'e': 1.10}"
    assert repr(run_config([own / "more.yaml"], ["a=2"], replaces=True)) == "{'b': {'c': 00123}, 'e': 1.10, 'a': 2}"


def test_without_a_configuration_the_files_of_the_command_line_are_enough(own):
    (own / "config/config.yaml").unlink()
    assert repr(run_config([own / "more.yaml"], [])) == "{'b': {'c': 00123}, 'e': 1.10}"
    with pytest.raises(UserError, match=r"config/config.yaml: No such file"):
        run_config([], ["a=2"])
