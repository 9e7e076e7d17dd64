"""The graph of images that are made from images: its mistakes, its order, and who belongs together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import expand
from imagemake.plan.requests.families import generations, with_parents
from imagemake.plan.requests.references import Attached
from imagemake.plan.requests.request import Request
from imagemake.plan.requests.selection import requests_of_scope, sample, within

LEAST = {"campaign": "Shop", "catalog": "config/catalog.csv", "prompt": "A {sku}", "name": "{sku}_{angle}"}
ANGLES = {"angle": ["hero", "front view", "back"]}
ROWS = {"campaign": "Shop", "catalog": "config/catalog.csv", "prompt": "A {sku}", "name": "{sku}"}


def requests(*skus, **more):
    rows = [Row(n, {"sku": sku}) for n, sku in enumerate(skus, 2)]
    return expand(load_campaign({**LEAST, "variables": ANGLES, **more}), rows)


def chained(**parents):
    """Requests by row, each with a cell that names its reference images."""
    rows = [Row(n, {"sku": sku, "references": cell}) for n, (sku, cell) in enumerate(parents.items(), 2)]
    return expand(load_campaign(ROWS), rows)


def problems(**parents):
    with pytest.raises(UserError) as caught:
        chained(**parents)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("reference", ["image:{sku}_hero", {"image": "{sku}_hero"}])
def test_every_image_but_the_first_is_made_from_it(reference):
    found = {request.name: request for request in requests("mug", "vase", references=[reference])}
    assert {name: one.parents for name, one in found.items() if name.startswith("vase")} == {
        "vase_hero": (),
        "vase_front-view": ("vase_hero",),
        "vase_back": ("vase_hero",),
    }
    assert not any(one.needs_approval for one in found.values())
    (hero,) = requests("mug", variables={"angle": ["hero"]})
    assert found["mug_hero"].recipe.key() == hero.recipe.key(), "its key is as without references"


def test_a_reference_names_an_image_as_the_image_is_named():
    (_, child) = requests(
        "a/b c", references=["image: {sku}_{first}"], variables={"angle": ["x y", "z"]}, defaults={"first": "x y"}
    )
    assert child.parents == ("a-b-c_x-y",)


def test_only_those_that_others_wait_for_need_approval():
    found = requests("mug", references=[{"image": "{sku}_hero", "after": "approval"}])
    assert [one.name for one in found if one.needs_approval] == ["mug_hero"]


def test_a_cell_can_say_that_a_person_must_approve_the_image_first():
    found = chained(hero="", board="", mug="approved:hero; image:board", vase="image: hero")
    assert {one.name: one.parents for one in found} == {
        "hero": (),
        "board": (),
        "mug": ("hero", "board"),
        "vase": ("hero",),
    }
    assert [one.name for one in found if one.needs_approval] == ["hero"]
    keys = {one.name: one.recipe.key() for one in found}
    same = chained(hero="", board="", mug="image:hero; image:board", vase="image:hero")
    assert {one.name: one.recipe.key() for one in same} == keys, "when it may be used is in no key"


def test_an_empty_name_is_no_reference():
    rows = [Row(2, {"sku": "a", "of": ""}), Row(3, {"sku": "b", "of": "a"})]
    found = expand(load_campaign({**ROWS, "references": [{"image": "{of}"}], "defaults": {"of": ""}}), rows)
    assert [one.parents for one in found] == [(), ("a",)]


def test_an_unknown_name_is_told_with_its_row_and_the_nearest_name():
    (text,) = problems(mug="", vase="image:mugg")
    assert text.startswith(
        "config/catalog.csv, row 3 (vase): its reference 'image:mugg' names no image of this campaign."
    )
    assert "Did you mean 'mug'?" in text


def test_a_circle_is_told_once_with_the_way_round():
    (text,) = problems(a="image:c", b="image:a", c="image:b", d="image:c", e="")
    assert text.startswith("config/catalog.csv, row 2: these images are made from each other: a from c from b from a.")
    (text,) = problems(a="image:a")
    assert "a from a." in text


def test_a_mask_is_only_for_the_first_reference_image():
    attached = Attached(("image:a", "b.png"), ("image:a", "B"), "mask.png", "M", ("a",))
    assert attached.without("a") == Attached(("b.png",), ("B",))
    assert Attached(("b.png", "image:a"), ("B", "image:a"), "mask.png", "M", ("a",)).without("a").mask == "mask.png"


def made_from(*parents):
    sent = tuple(f"image:{name}" for name in parents)
    return Attached(sent, sent, parents=parents)


@st.composite
def graphs(draw):
    names = [f"n{place}" for place in range(draw(st.integers(1, 12)))]
    made = []
    for place, name in enumerate(names):
        parents = draw(st.lists(st.sampled_from(names[:place]), unique=True, max_size=3)) if place else []
        made.append(
            Request(name, Recipe("preview", "p", name, 1), place, {"v": name[-1]}, 1, attached=made_from(*parents))
        )
    return draw(st.permutations(made))


@given(graphs())
def test_each_generation_needs_only_earlier_ones_and_nobody_is_lost(found):
    places = generations(found)
    assert sorted(place for generation in places for place in generation) == list(range(len(found)))
    depth = {found[place].name: n for n, generation in enumerate(places) for place in generation}
    for request in found:
        assert depth[request.name] == max((depth[name] + 1 for name in request.parents), default=0)


@given(graphs(), st.integers(1, 6))
def test_a_sample_holds_all_that_its_images_are_made_from_and_a_larger_one_holds_it(found, size):
    of_name = {one.name: one for one in found}
    small = [one.name for one in sample(found, size, ["v"])]
    assert with_parents(small, of_name) == {*small}
    assert {*small} <= {one.name for one in sample(found, size + 1, ["v"])}
    assert len(small) >= min(size, len(found))


def test_a_chain_counts_as_one_in_a_sample():
    found = requests(*"abcdef", references=["image:{sku}_hero"], variables={"angle": ["hero", "back"]})
    chosen = [one.name for one in sample(found, 4, ["angle"])]
    heroes = [name for name in chosen if name.endswith("hero")]
    assert {name.replace("back", "hero") for name in chosen} == {*heroes}
    assert len(chosen) > 4


def test_selected_images_bring_what_they_are_made_from():
    campaign = load_campaign({**LEAST, "only": ["mug_back"], "variables": ANGLES, "references": ["image:{sku}_hero"]})
    found = requests("mug", "vase", references=["image:{sku}_hero"])
    assert within(campaign, found) == {"mug_back", "mug_hero"}
    one = requests_of_scope(campaign, found, "image/vase_back.jpg")
    assert [request.name for request in one] == ["vase_hero", "vase_back"]
