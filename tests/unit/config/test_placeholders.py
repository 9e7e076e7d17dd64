import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.placeholders import parse_template

VALUES = {"color": "red", "sku": "M-7", "100%": "all"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a {color} mug", "a red mug"),
        ("{color}{color}", "redred"),
        ("{ color }", "red"),
        ("{{color}}", "{color}"),
        ("{{{color}}}", "{red}"),
        ("50% {100%} %s", "50% all %s"),
        ("", ""),
    ],
)
def test_a_placeholder_is_replaced_by_the_value_of_its_column(template, text):
    assert parse_template(template).render(VALUES) == text


@pytest.mark.parametrize("template", ["{color", "color}", "{a{b}}", "}{", "{}", "{ }", "{{color}"])
def test_a_brace_without_partner_or_name_is_an_error(template):
    with pytest.raises(ValueError, match=r"is unmatched|has no name"):
        parse_template(template)


def test_the_error_says_where_the_lone_brace_is():
    with pytest.raises(ValueError, match=r"the '\}' at character 9 is unmatched"):
        parse_template("{color} }")


@pytest.mark.parametrize("field", ["color.__class__", "color[0]", "color!r", "color:>10", "0"])
def test_formats_attributes_and_indices_are_only_names_of_columns(field):
    template = parse_template(f"{{{field}}}")
    assert template.fields == (field,)
    with pytest.raises(KeyError):
        template.render(VALUES)


def test_composed_and_decomposed_spellings_of_a_column_are_one():
    assert parse_template("{gro\u0308ße}").fields == ("größe",)


@given(st.text())
def test_text_whose_braces_are_doubled_renders_to_itself(text):
    assert parse_template(text.replace("{", "{{").replace("}", "}}")).render({}) == text


@given(st.text(), st.text())
def test_inserted_values_are_never_scanned_again(first, second):
    rendered = parse_template("{a}|{b}").render({"a": first, "b": second})
    assert rendered == f"{first}|{second}"


@given(st.text(alphabet="{}ab %"))
def test_every_text_is_a_template_or_an_error_with_a_reason(text):
    try:
        template = parse_template(text)
    except ValueError as error:
        assert str(error)
    else:
        assert len(template.literals) == len(template.fields) + 1
