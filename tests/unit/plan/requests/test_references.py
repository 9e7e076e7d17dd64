"""Reference images of rows: content decides the key, and what is wrong names its row or key."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.images.source_files import BadSourceImageError, SourceImage
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import expand

LEAST = {"campaign": "Shop", "catalog": "config/catalog.csv", "prompt": "A {sku}", "name": "{sku}"}
MUG, VASE = {"sku": "mug"}, {"sku": "vase"}
digests = st.binary(min_size=1, max_size=4).map(lambda content: hashlib.sha256(content).hexdigest())


class Files:
    """Files in memory: content by path."""

    def __init__(self, **content):
        self.content = content

    def get(self, path):
        if path not in self.content:
            raise BadSourceImageError(f"there is no file {path!r}.", "Put it there.")
        digest = hashlib.sha256(self.content[path].encode()).hexdigest()
        return SourceImage(digest, 9, "png", 4, 4, True)


FILES = Files(**{"a.png": "A", "b.png": "B", "mug.png": "M", "vase.png": "V", "mask.png": "X", "red.png": "R"})


def requests(*rows, files=FILES, **more):
    return expand(load_campaign({**LEAST, **more}), [Row(n, row) for n, row in enumerate(rows, 2)], files=files)


def keys(*rows, **more):
    return [request.recipe.key() for request in requests(*rows, **more)]


def problems(*rows, **more):
    with pytest.raises(UserError) as caught:
        requests(*rows, **more)
    return [str(problem).splitlines()[0] for problem in caught.value.problems]


def digest(content):
    return hashlib.sha256(content.encode()).hexdigest()


def test_every_row_gets_the_campaigns_references_in_their_order():
    found = requests(MUG, VASE, references=["b.png", "{sku}.png"], mask="mask.png")
    assert [request.attached.references for request in found] == [("b.png", "mug.png"), ("b.png", "vase.png")]
    assert found[0].recipe.references == (digest("B"), digest("M"))
    assert (found[0].attached.mask, found[0].recipe.mask) == ("mask.png", digest("X"))


def test_a_row_can_bring_its_own_and_an_empty_cell_keeps_the_campaigns():
    rows = {**MUG, "references": " a.png ; b.png;", "mask": "mask.png"}, {**VASE, "references": "", "mask": ""}
    own, common = requests(*rows, references=["{sku}.png"])
    assert (own.attached.references, own.attached.mask) == (("a.png", "b.png"), "mask.png")
    assert (common.attached.references, common.attached.mask) == (("vase.png",), None)


def test_a_column_that_the_campaign_uses_is_a_value_like_any_other():
    (found,) = requests({**MUG, "references": "red"}, references=["{references}.png"])
    assert found.attached.references == ("red.png",)


def test_a_variable_can_bring_references():
    found = requests(MUG, name="{sku}_{references}", variables={"references": ["a.png", "a.png;b.png"]})
    assert [len(request.recipe.references) for request in found] == [1, 2]


def test_placeholders_in_a_rows_own_paths_are_plain_text():
    assert "there is no file '{sku}.png'" in problems({**MUG, "references": "{sku}.png"})[0]


def test_without_references_recipes_are_what_they_were():
    (plain,) = requests(MUG)
    assert plain.recipe.as_dict().keys() == {"recipe", "provider", "model", "prompt", "seed"}
    (empty,) = requests({**MUG, "references": "", "mask": ""})
    assert empty.recipe == plain.recipe


def test_a_renamed_file_moves_no_key_and_a_changed_one_does():
    before = keys({**MUG, "references": "a.png"})
    assert keys({**MUG, "references": "n.png"}, files=Files(**{"n.png": "A"})) == before
    assert keys({**MUG, "references": "a.png"}, files=Files(**{"a.png": "A!"})) != before


def test_a_missing_file_names_the_row_and_the_column():
    assert problems(MUG, {**MUG, "sku": "jug"}, references=["{sku}.png"]) == [
        "config/catalog.csv, row 3: in references[0] of config.yaml, there is no file 'jug.png'."
    ]
    assert problems({**MUG, "references": "a.png;no.png"}) == [
        "config/catalog.csv, row 2: in column 'references', there is no file 'no.png'."
    ]
    assert problems({**MUG, "references": "a.png", "mask": "no.png"}) == [
        "config/catalog.csv, row 2: in column 'mask', there is no file 'no.png'."
    ]


def test_a_missing_file_of_the_campaign_names_its_key_once():
    assert problems(MUG, VASE, references=["a.png", "no.png"], mask="no-mask.png") == [
        "config/config.yaml, references[1]: there is no file 'no.png'.",
        "config/config.yaml, mask: there is no file 'no-mask.png'.",
    ]


def test_a_missing_file_of_a_variable_names_the_variable():
    more = {"variables": {"color": ["red", "blue"]}, "name": "{sku}_{color}", "references": ["{color}.png"]}
    (told,) = problems(MUG, VASE, **more)
    assert told.startswith("config/config.yaml, variables.color: in references[0]")


def test_an_empty_or_unknown_placeholder_is_told_as_in_a_prompt():
    assert (
        "column 'style' is empty, but the references[0] uses {style}"
        in problems({**MUG, "style": ""}, references=["{style}.png"])[0]
    )
    assert problems(MUG, references=["{stile}.png"]) == [
        "config/config.yaml, references[0]: unknown placeholder {stile}."
    ]


def test_every_row_with_an_empty_cell_is_told():
    rows = [{"sku": name, "style": ""} for name in ("mug", "vase")]
    told = problems(*rows, references=["a.png", "{style}.png"])
    assert [line.partition(":")[0] for line in told] == ["config/catalog.csv, row 2", "config/catalog.csv, row 3"]


def test_a_mask_without_a_reference_image_is_a_mistake():
    assert "no reference image for it" in problems(MUG, mask="mask.png")[0]
    assert problems({**MUG, "mask": "mask.png"})[0].startswith("config/catalog.csv, row 2: in column 'mask'")


def test_a_mask_of_one_row_does_not_stick_to_others():
    rows = [{**MUG, "mask": "mask.png"}, {**VASE, "mask": ""}]
    assert [request.recipe.mask for request in requests(*rows, references=["a.png"])] == [digest("X"), None]


@given(st.lists(digests, max_size=4), st.none() | digests, st.lists(digests, max_size=4), st.none() | digests)
def test_keys_are_equal_exactly_where_the_content_and_its_order_are(one, mask, other, other_mask):
    first = Recipe("openai", "m", "p", 1, references=tuple(one), mask=mask)
    second = Recipe("openai", "m", "p", 1, references=tuple(other), mask=other_mask)
    assert (first.key() == second.key()) == ((one, mask) == (other, other_mask))
    assert Recipe.from_dict(first.as_dict()) == first


@given(st.lists(digests, min_size=1, max_size=4))
def test_a_reference_moves_the_key_and_a_mask_is_no_reference(some):
    plain = Recipe("openai", "m", "p", 1)
    with_references = Recipe("openai", "m", "p", 1, references=tuple(some))
    with_mask = Recipe("openai", "m", "p", 1, references=tuple(some[:-1]), mask=some[-1])
    assert len({plain.key(), with_references.key(), with_mask.key()}) == 3
    assert with_mask.files == with_references.files == tuple(some)
