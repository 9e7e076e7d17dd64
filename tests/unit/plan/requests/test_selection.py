import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mugs import LEAST, MUGS, named, problems, requests

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import UserError
from imagemake.core.recipe import derive_seed
from imagemake.plan.requests.selection import sample, within


def test_every_row_is_crossed_with_every_variable():
    assert [(request.name, request.recipe.prompt, request.row) for request in requests()] == [
        ("M-7_red", "A mug, red", 2),
        ("M-7_teal", "A mug, teal", 2),
        ("V-1_red", "A vase, red", 3),
        ("V-1_teal", "A vase, teal", 3),
    ]


def test_a_request_has_the_values_of_its_row_and_of_the_variables():
    assert requests()[1].variables == {"sku": "M-7", "product": "mug", "color": "teal"}


def test_the_recipe_has_what_the_campaign_says_of_the_model():
    model = {"provider": "openai", "name": "m-1", "base_url": "http://host/v1/", "parameters": {"size": "1x1"}}
    recipe = requests(model=model, negative_prompt="no {product} text")[0].recipe
    assert (recipe.provider, recipe.model, recipe.endpoint) == ("openai", "m-1", "http://host/v1")
    assert (recipe.parameters, recipe.negative_prompt) == ({"size": "1x1"}, "no mug text")


def test_the_order_of_rows_moves_no_key():
    forth, back = requests(), requests(*reversed(MUGS))
    assert {r.name: r.recipe.key() for r in forth} == {r.name: r.recipe.key() for r in back}


def test_an_edited_prompt_leaves_the_seeds_alone():
    edited = requests(prompt="The {product} in {color}")
    assert [request.recipe.seed for request in edited] == [request.recipe.seed for request in requests()]
    assert len({request.recipe.seed for request in edited}) == 4


def test_a_derived_seed_hangs_on_the_columns_of_the_name_and_on_nothing_else():
    seeds = [request.recipe.seed for request in requests()]
    assert seeds[0] == derive_seed(0, 1, "color", "red", "sku", "M-7")
    assert [r.recipe.seed for r in requests(name="x-{color}.{sku}")] == seeds
    assert [r.recipe.seed for r in requests(name="{sku}_{color}_{product}")] != seeds
    assert [r.recipe.seed for r in requests(seed={"derived": 1})] != seeds


def test_more_takes_add_images_and_leave_the_first_ones_seeds_alone():
    for seed in ({"derived": 0}, {"fixed": 7}):
        one, three = requests(seed=seed), requests(seed=seed, takes=3)
        assert [r.recipe.seed for r in three if r.take == 1] == [r.recipe.seed for r in one]
        assert len({r.recipe.seed for r in three if r.row == 2 and "red" in r.name}) == 3


def test_takes_are_numbered_from_one_in_names():
    assert [r.name for r in requests(MUGS[0], takes=2)] == ["M-7_red_1", "M-7_red_2", "M-7_teal_1", "M-7_teal_2"]
    assert [r.name for r in requests(MUGS[0], takes=2, name="{take}-{color}")][:2] == ["1-red", "2-red"]
    assert requests(MUGS[0], name="{sku}_{color}_{take}")[0].name == "M-7_red_1"


def test_a_fixed_seed_is_every_first_takes_seed():
    assert {request.recipe.seed for request in requests(seed={"fixed": 7})} == {7}


def test_a_row_can_bring_its_own_prompt_seed_model_and_parameters():
    own = {
        "prompt": "Only {sku}, {color}",
        "negative_prompt": "blur",
        "seed": "12",
        "model": "m-2",
        "parameters.size": "64x64",
        "parameters.steps": "30",
        "parameters.hd": "true",
    }
    model = {"parameters": {"size": "32x32", "quality": "low"}}
    other, first = requests({**MUGS[1], **dict.fromkeys(own, "")}, {**MUGS[0], **own}, model=model)[1:3]
    assert other.recipe.parameters == {"size": "32x32", "quality": "low"}
    assert (other.recipe.prompt, other.recipe.model) == ("A vase, teal", "preview-1")
    assert first.recipe.parameters == {"size": "64x64", "quality": "low", "steps": 30, "hd": True}
    assert (first.recipe.prompt, first.recipe.negative_prompt) == ("Only M-7, red", "blur")
    assert (first.recipe.seed, first.recipe.model) == (12, "m-2")


def test_variables_can_bring_models_and_parameters_too():
    found = requests(
        MUGS[0],
        variables={"model": ["a", "b"], "parameters.steps": [1, 2]},
        prompt="x",
        name="{model}{parameters.steps}",
    )
    assert [(r.recipe.model, r.recipe.parameters["steps"]) for r in found] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]


def test_a_column_prompt_that_the_template_uses_is_a_value_like_any_other():
    (request,) = requests({"sku": "A", "prompt": "a {sku}"}, prompt="{prompt}, photo", name="{sku}", variables={})
    assert request.recipe.prompt == "a {sku}, photo"


def test_an_empty_cell_that_the_prompt_uses_is_told_with_row_column_and_remedy():
    with pytest.raises(UserError) as caught:
        requests(MUGS[0], {"sku": "V-1", "product": ""})
    assert str(caught.value) == (
        "config/catalog.csv, row 3: column 'product' is empty, but the prompt uses {product}.\n"
        "  Fill it in, or give config.yaml a default under defaults.product."
    )


def test_an_empty_cell_that_nothing_uses_is_fine():
    assert len(requests({**MUGS[0], "note": ""})) == 2


def test_a_default_stands_in_for_an_empty_cell_and_an_empty_default_allows_it():
    row = {"sku": "A", "product": "", "note": "x"}
    assert requests(row, defaults={"product": "thing"})[0].recipe.prompt == "A thing, red"
    assert requests(row, defaults={"product": ""})[0].recipe.prompt == "A , red"
    assert requests(row, prompt="{brand} {note}", defaults={"brand": "Acme"})[0].recipe.prompt == "Acme x"


def test_an_unknown_placeholder_is_told_once_with_the_nearest_column():
    with pytest.raises(UserError) as caught:
        requests(prompt="A {prodct}", name="{sku}_{colour}")
    assert [problem.where for problem in caught.value.problems] == [
        "config/config.yaml, prompt",
        "config/config.yaml, name",
    ]
    assert caught.value.problems[0].what == "unknown placeholder {prodct}."
    assert caught.value.problems[0].remedy == "Did you mean 'product'? Known names: sku, product, color."
    assert "'color'" in caught.value.problems[1].remedy


@pytest.mark.parametrize("field", ["product.__class__", "product!r", "product:x", "product[0]", "take"])
def test_templates_reach_nothing_but_columns(field):
    assert problems(prompt=f"{{{field}}}") == [("config/config.yaml, prompt", f"unknown placeholder {{{field}}}.")]


def test_text_of_the_catalog_is_never_a_template():
    row = {"sku": "A", "product": "{sku} {product.__class__} %s {{"}
    assert requests(row)[0].recipe.prompt == "A {sku} {product.__class__} %s {{, red"


def test_a_broken_prompt_of_a_row_is_told_with_its_row():
    found = problems({**MUGS[0], "prompt": "A {sku"}, {**MUGS[1], "prompt": "A {size}"})
    assert found == [
        ("config/catalog.csv, row 2", "in column 'prompt', the '{' at character 3 is unmatched."),
        ("config/catalog.csv, row 3", "in column 'prompt', unknown placeholder {size}."),
    ]


def test_a_mistake_in_a_variable_is_told_once_and_not_for_every_row():
    found = problems(variables={"seed": [1, "one"]}, prompt="x", name="{sku}{seed}")
    assert found == [("config/config.yaml, variables.seed", "column 'seed' contains 'one'.")]


@pytest.mark.parametrize("seed", ["-1", "2147483648", "1.0", "x", "٣", "9" * 5000])
def test_a_seed_that_is_none_is_told(seed):
    ((where, what),) = problems({**MUGS[0], "seed": seed})
    assert where == "config/catalog.csv, row 2"
    assert what.startswith("column 'seed' contains ")


def test_parameters_of_the_catalog_are_held_to_the_same_rules():
    key = "sk-aaaabbbbccccdddd"
    found = problems({**MUGS[0], "parameters.api_key": "", "parameters.style": key, "parameters.n": "2"})
    assert [where for where, _ in found] == [
        "config/catalog.csv, column 'parameters.api_key'",
        "config/catalog.csv, column 'parameters.n'",
        "config/catalog.csv, row 2",
    ]
    assert key not in str(found)


def test_a_column_and_a_variable_cannot_share_a_name():
    assert problems({**MUGS[0], "color": "x"}) == [
        ("config/config.yaml, variables.color", "config/catalog.csv has a column of the same name.")
    ]


def test_a_default_that_nothing_uses_is_told():
    found = problems(defaults={"produkt": "x", "color": "red", "product": "thing", "seed": 3, "parameters.size": "x"})
    assert [where for where, _ in found] == [
        "config/config.yaml, defaults.produkt",
        "config/config.yaml, defaults.color",
    ]


def test_two_requests_with_one_name_are_told_with_both_rows_and_what_tells_them_apart():
    with pytest.raises(UserError) as caught:
        requests(MUGS[0], {**MUGS[0], "product": "cup"}, variables={}, name="{sku}", prompt="{product}")
    (problem,) = caught.value.problems
    assert problem.where == "config/catalog.csv, row 3"
    assert problem.what == "its image is named 'M-7', like that of row 2."
    assert problem.remedy == "Add a column in which they differ to name in config/config.yaml: {product}."


def test_a_variable_that_the_name_leaves_out_makes_names_that_are_not_unique():
    with pytest.raises(UserError) as caught:
        requests(MUGS[0], name="{sku}")
    assert caught.value.problems[0].what == "its image is named 'M-7', like another one of this row."
    assert "{color}" in caught.value.problems[0].remedy


def test_names_that_differ_in_case_only_are_one_name():
    ((_, what),) = problems({"sku": "é"}, {"sku": "É"}, variables={}, prompt="x", name="{sku}")
    assert what == "its image is named 'É', like that of row 2, 'é': many disks ignore case."


def test_equal_rows_are_told_to_set_takes():
    with pytest.raises(UserError, match="To make several images of one kind, set takes"):
        requests(MUGS[0], MUGS[0], variables={}, prompt="x", name="{sku}")


@pytest.mark.parametrize("sku", ["..", "/etc/passwd", "C:\\x", "..."])
def test_a_value_that_is_a_path_cannot_name_an_image(sku):
    (where, what), *more = problems({"sku": sku, "product": "mug"})
    assert (where, more) == ("config/catalog.csv, row 2", [])
    assert "but the name uses {sku}" in what


def test_separators_in_values_and_in_the_name_are_dashes():
    assert [r.name for r in requests({"sku": "a/../b", "product": "x"}, name="../{sku}/{color}")] == [
        "a-b-red",
        "a-b-teal",
    ]


def test_a_name_of_nothing_is_told():
    assert ("config/catalog.csv, row 2", "the name of the image is empty.") in problems(MUGS[0], name="-")


def test_a_prompt_that_is_too_long_or_empty_is_told():
    assert "32,001 characters" in problems({"sku": "A", "product": "x" * 31994})[0][1]
    assert problems({"sku": "A", "p": ""}, prompt="{p}", defaults={"p": ""})[0][1] == "the prompt is empty."


def test_a_negative_prompt_that_nothing_is_left_of_is_none():
    found = requests(negative_prompt="{product}", prompt="x", defaults={"product": ""}, name="{sku}_{color}")
    assert found[0].recipe.negative_prompt == "mug"
    row = {"sku": "A", "product": ""}
    assert (
        requests(row, negative_prompt="{product}", prompt="x", defaults={"product": ""})[0].recipe.negative_prompt
        is None
    )


def test_mistakes_of_all_kinds_are_told_together():
    found = problems(
        {"sku": "..", "product": "", "seed": "x"},
        {"sku": "A", "product": "a", "seed": ""},
        {"sku": "a", "product": "a", "seed": ""},
        prompt="{product} {x}",
        exclude=[{"color": "gold"}, {"sku": "B"}],
    )
    assert len(found) == 8


def test_a_campaign_that_excludes_everything_is_told():
    assert problems(exclude=[{"color": ["red", "teal"]}])[0][1] == "the campaign requests no images."


def test_exclude_and_include_decide_about_rows():
    found = requests(
        exclude=[{"sku": "M-7", "color": "red"}, {"product": "vase", "color": "teal"}],
        include=[{"sku": "V-1", "color": "gold"}],
    )
    assert [request.name for request in found] == ["M-7_teal", "V-1_red", "V-1_gold"]


def test_columns_of_any_script_can_name_and_seed():
    (request,) = requests({"größe": "groß"}, prompt="{größe}", name="{größe}", variables={})
    assert request.name == "groß"
    assert request.recipe.key()


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ([], {"M-7_red", "M-7_teal", "V-1_red", "V-1_teal"}),
        (["*_red"], {"M-7_red", "V-1_red"}),
        (["M-7_red", "V-?_teal"], {"M-7_red", "V-1_teal"}),
        (["M-7_red.jpg"], {"M-7_red"}),
        (["*_red.jpg"], {"M-7_red", "V-1_red"}),
    ],
)
def test_only_narrows_by_patterns_on_names(only, names):
    assert within(load_campaign({**LEAST, "only": only}), requests()) == names


def test_patterns_that_match_nothing_are_all_told():
    with pytest.raises(UserError) as caught:
        within(load_campaign({**LEAST, "only": ["m-7_red", "X*", "M*"]}), requests())
    assert [problem.what for problem in caught.value.problems] == [
        "'m-7_red' matches no name.",
        "'X*' matches no name.",
    ]


def many(n=40):
    return [{"sku": f"S{i}", "product": "mug"} for i in range(n)]


COLORS = {"variables": {"color": [f"c{i}" for i in range(10)]}}


def test_a_pilot_shows_every_value_of_every_variable():
    found = sample(requests(*many(), **COLORS), 10, ["color"])
    assert {request.variables["color"] for request in found} == {f"c{i}" for i in range(10)}


@pytest.mark.parametrize(("size", "n"), [(3, 3), (25, 25), (1000, 400)])
def test_a_pilot_has_its_size_and_the_catalogs_order(size, n):
    everything = requests(*many(), **COLORS)
    found = sample(everything, size, ["color"])
    assert len(found) == n
    assert [everything.index(request) for request in found] == sorted(everything.index(request) for request in found)


def test_a_pilot_does_not_hang_on_the_order_of_rows():
    shuffled = many()
    random.Random(1).shuffle(shuffled)
    one, other = (sample(requests(*values, **COLORS), 25, ["color"]) for values in (many(), shuffled))
    assert set(named(one)) == set(named(other))


text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)


@given(st.lists(st.fixed_dictionaries({"a": text, "b": text}), min_size=1, max_size=4), st.integers(1, 3))
def test_whatever_the_catalog_holds_names_are_safe_and_unique_or_the_user_is_told(values, takes):
    try:
        found = requests(*values, prompt="p {a}", name="{b}/{a}", variables={}, takes=takes, defaults={"a": "x"})
    except UserError as error:
        assert error.problems
        return
    names = [request.name for request in found]
    assert len({name.casefold() for name in names}) == len(names) == len(values) * takes
    assert all(name and "/" not in name and ".." not in name and not name.startswith((".", "-")) for name in names)
    assert all(request.recipe.prompt == f"p {request.variables['a']}".strip() for request in found)


def test_planning_ten_thousand_requests_takes_a_fraction_of_a_second():
    values = [{"sku": f"SKU-{i:06d}", "product": f"mug {i}", "material": "clay"} for i in range(2_500)]
    start = time.process_time()
    found = requests(*values, variables={"color": ["red", "teal", "sand", "sea green"]})
    assert len({request.recipe.key() for request in found}) == 10_000
    assert time.process_time() - start < 2.5  # 0.5 s by itself; the rest is for busy machines
