import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.plan.requests.combinations import Combinations

VARIABLES = {"color": ("red", "teal"), "angle": ("front", "top")}
ROW = {"sku": "M-7", "kind": "mug"}
OTHER = {"sku": "V-1", "kind": "vase"}


def combinations(exclude=(), include=(), variables=VARIABLES):
    return Combinations(variables, exclude, include, columns=["sku", "kind"], where="config.yaml")


def of(row, exclude=(), include=()):
    found = combinations(exclude, include)
    assert not found.problems
    return [" ".join(choice.values()) for choice in found.of(row)]


ALL = ["red front", "red top", "teal front", "teal top"]


def test_every_row_gets_every_combination_in_the_order_they_are_written():
    assert of(ROW) == ALL


def test_without_variables_a_row_is_one_image():
    assert combinations(variables={}).of(ROW) == [{}]


@pytest.mark.parametrize(
    ("item", "left"),
    [
        ({"color": ("red",)}, ["teal front", "teal top"]),
        ({"color": ("red",), "angle": ("top",)}, ["red front", "teal front", "teal top"]),
        ({"color": ("red", "teal"), "angle": ("top",)}, ["red front", "teal front"]),
        ({"sku": ("M-7",), "color": ("red",)}, ["teal front", "teal top"]),
        ({"sku": ("V-1",), "color": ("red",)}, ALL),
        ({"sku": ("M-7",), "kind": ("vase",), "color": ("red",)}, ALL),
        ({"sku": ("V-1", "M-7")}, []),
    ],
)
def test_an_excluded_combination_is_left_out_where_all_that_it_names_is_so(item, left):
    assert of(ROW, exclude=[item]) == left


def test_an_included_combination_is_added_to_the_rows_that_it_names():
    gold = {"sku": ("M-7",), "color": ("gold",), "angle": ("front", "top")}
    assert of(ROW, include=[gold]) == [*ALL, "gold front", "gold top"]
    assert of(OTHER, include=[gold]) == ALL


def test_an_included_combination_comes_back_after_exclude_but_never_twice():
    red_top = {"color": ("red",), "angle": ("top",)}
    assert of(ROW, include=[red_top]) == ALL
    assert of(ROW, exclude=[red_top], include=[red_top]) == ["red front", "teal front", "teal top", "red top"]
    assert of(ROW, exclude=[{"sku": ("M-7",), **red_top}], include=[red_top]) == of(ROW, [red_top], [red_top])


@pytest.mark.parametrize(
    ("exclude", "include", "what"),
    [
        ([{"colour": ("red",)}], [], "'colour' is neither a variable nor a column"),
        ([{"color": ("gold",)}], [], "variable 'color' has no value 'gold'"),
        ([], [{"color": ("gold",)}], "it has no value for the variable 'angle'"),
        ([], [{"shape": ("round",)}], "'shape' is neither a variable nor a column"),
    ],
)
def test_an_item_that_cannot_mean_anything_is_a_problem(exclude, include, what):
    (problem,) = combinations(exclude, include).problems
    assert what in problem.what
    assert problem.where.endswith("clude[0]")


def test_an_item_for_rows_that_are_not_there_is_a_problem():
    found = combinations(
        [{"sku": ("M-7",)}, {"sku": ("M-8", "M-9")}], [{"sku": ("V-1",), "color": ("x",), "angle": ("y",)}]
    )
    found.of(ROW)
    assert [problem.where for problem in found.never_used()] == ["config.yaml, exclude[1]", "config.yaml, include[0]"]
    assert "no row has sku 'M-8' or 'M-9'" in found.never_used()[0].what


values = st.lists(st.sampled_from("abc"), min_size=1, unique=True).map(tuple)


@given(st.dictionaries(st.sampled_from("xyz"), values), st.data())
def test_excluding_takes_away_exactly_what_it_names(variables, data):
    item = {
        name: data.draw(st.sampled_from(options)) for name, options in variables.items() if data.draw(st.booleans())
    }
    everything = combinations(variables=variables).of(ROW)
    left = combinations([{name: (value,) for name, value in item.items()}], variables=variables).of(ROW)
    assert left == [choice for choice in everything if not item.items() <= choice.items()]
