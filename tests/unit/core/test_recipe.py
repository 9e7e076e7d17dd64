"""Keys: what users paid for lies under them, so nothing may move them."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from imagemake.core.recipe import SEED_BITS, Recipe, canonical_json, derive_seed

VECTORS = json.loads((Path(__file__).parent / "recipe_vectors.json").read_text())
MUG = Recipe("openai", "gpt-image-2", "A red mug", 7, {"size": "1024x1024", "quality": "low"})

text = st.text(st.characters(codec="utf-8"))
names = st.text(st.characters(codec="ascii"), min_size=1)
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(1e-4, 1e15).map(lambda x: float(f"{x:.12g}"))
plain = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii")), inner),
    max_leaves=20,
)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_published_vector_keeps_its_key(vector):
    recipe = Recipe.from_dict(vector["recipe"])
    assert canonical_json(recipe.as_dict()).decode() == vector["canonical"]
    assert recipe.key() == vector["key"]


@given(plain)
def test_canonical_json_is_rfc_8785(value):
    assert canonical_json(value) == rfc8785.dumps(value)


@given(st.dictionaries(names, text | st.booleans(), max_size=6), st.randoms())
def test_the_order_of_parameters_does_not_matter(parameters, random):
    items = list(parameters.items())
    random.shuffle(items)
    assert replace(MUG, parameters=dict(items)).key() == replace(MUG, parameters=parameters).key()


def test_an_integral_float_and_its_integer_are_one_key():
    assert replace(MUG, parameters={"steps": 30.0}).key() == replace(MUG, parameters={"steps": 30}).key()


def test_python_hash_seed_does_not_move_a_key():
    program = (
        "from imagemake.core.recipe import Recipe\n"
        + "print(Recipe('p', 'm', 'x', 1, {'a': 1, 'b': 'c', 'size': '1x1'}).key())"
    )
    keys = {
        subprocess.check_output([sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in ("0", "1", "12345")
    }
    assert len(keys) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "A red mug."},
        {"seed": 8},
        {"model": "gpt-image-2-2026-04-21"},
        {"provider": "preview"},
        {"parameters": {"size": "1024x1024", "quality": "high"}},
        {"negative_prompt": "text"},
        {"endpoint": "http://localhost:1/v1"},
        {"references": ("a" * 64,)},
        {"references": ("a" * 64,), "mask": "b" * 64},
        {"model_files": {"pipeline": "a" * 64}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_decides_the_pixels_moves_the_key(change):
    assert replace(MUG, **change).key() != MUG.key()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, 1e-9, "\ud800", {"é": 1}, {1, 2}])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(ValueError):
        canonical_json([value])


def test_a_recipe_survives_its_own_plain_data():
    own = replace(MUG, model_files={"pipeline": "a" * 64})
    assert [Recipe.from_dict(one.as_dict()) for one in (MUG, own)] == [MUG, own]


def test_a_recipe_of_another_version_is_not_read_as_this_one():
    with pytest.raises(ValueError, match="version 2"):
        Recipe.from_dict({**MUG.as_dict(), "recipe": 2})


@given(plain, plain)
def test_derived_seeds_are_in_range_and_repeat(one, other):
    assert 0 <= derive_seed(one, other) < 2**SEED_BITS
    assert derive_seed(one, other) == derive_seed(one, other)


def test_derived_seeds_of_different_parts_differ():
    assert len({derive_seed(0, n) for n in range(1000)}) > 990
