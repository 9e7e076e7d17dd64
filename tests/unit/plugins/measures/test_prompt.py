"""How near an image and a text are, by tiny models whose answers are known: no package ships a real one."""

import json
import os
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_files import saved
from PIL import Image
from tiny_clip import tiny_clip

from imagemake.config.campaign import load_campaign
from imagemake.config.checks import Check, Limit
from imagemake.config.chosen_plugins import chosen_measure
from imagemake.core import file_stamp
from imagemake.core.problems import NotReadyError, UserError
from imagemake.core.recipe import Recipe
from imagemake.images.decoded import decode_image
from imagemake.plan.batches import batches_of
from imagemake.plan.job_sizes import JobSizes
from imagemake.plan.reasons import RebuildReason
from imagemake.plan.requests.request import Request
from imagemake.plan.state import Stage, State
from imagemake.plugins.measures.prompt import Prompt, PromptSettings, packed, unpacked
from imagemake.stages.validate.compare import values_of
from imagemake.stages.validate.expected import Expected
from imagemake.stages.validate.job import load_measures, validate_batch
from imagemake.stages.validate.text_match import texts_to_match
from imagemake.stages.validate.verdict import Status, flat, judge, still_to_measure
from imagemake.store.items import Item, read_table, write_table
from imagemake.store.store import Store
from imagemake.workflow.preflight.measures import check_packages

AGAINST = ["white"]
LEAST = {"campaign": "Mugs", "catalog": "config/catalog.csv", "prompt": "A {color} mug", "name": "{sku}"}
RED, GREEN = (Image.new("RGB", (64, 40), color) for color in ((255, 0, 0), (0, 255, 0)))


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """Work in a folder of its own, with a model in it."""
    monkeypatch.chdir(tmp_path)
    return tiny_clip(tmp_path / "models" / "clip")


def measure(**settings):
    return Prompt(PromptSettings(**{"against": AGAINST, **settings}))


def compared(image, text, **settings):
    one = measure(**settings)
    return one.match(one.read(decode_image(saved(image, "PNG"))), text)


def identity(**settings):
    return chosen_measure("prompt", {"against": AGAINST, **settings}).identity


def test_an_image_is_nearest_to_the_text_that_says_what_it_shows():
    red = compared(RED, "a red mug")
    assert red["similarity"] == pytest.approx(1, abs=0.02)
    assert red["margin"] == pytest.approx(1 - 1 / 3**0.5, abs=0.02)
    assert compared(RED, "a green mug")["similarity"] == pytest.approx(0, abs=0.05)
    assert compared(RED, "a green mug")["margin"] < 0


@pytest.mark.parametrize(
    ("layout", "settings"),
    [
        ({"one_file": True}, {}),
        ({"variant": "quantized"}, {"variant": "quantized"}),
        ({"tokens": 9}, {}),
        ({"model_type": "siglip"}, {}),
        ({"size": {"height": 8, "width": 8}}, {}),
        ({"size": 8}, {}),
    ],
)
def test_every_layout_of_a_folder_gives_the_same_answer(layout, settings, tmp_path):
    other = tiny_clip(tmp_path / "other", **layout)
    assert compared(RED, "a red mug", model=str(other), **settings) == compared(RED, "a red mug")


def test_files_beside_the_descriptions_are_found_as_well(project):
    for path in (project / "onnx").iterdir():
        path.rename(project / path.name)
    assert compared(RED, "red")["similarity"] > 0.99


def test_words_beyond_the_end_of_what_the_model_reads_do_not_count_and_are_told():
    cut = compared(RED, "green " * 10 + "red red red")
    assert cut["cut_tokens"] == 3
    assert cut["similarity"] == pytest.approx(0, abs=0.02)
    assert compared(RED, "red")["cut_tokens"] == 0


def test_the_middle_of_a_wide_image_is_what_clip_looks_at():
    wide = Image.new("RGB", (300, 100), (0, 255, 0))
    wide.paste((255, 0, 0), (100, 0, 200, 100))
    assert compared(wide, "red")["similarity"] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_tiny_images_and_strips_can_be_read(size):
    assert compared(Image.new("RGB", size, (255, 0, 0)), "red")["similarity"] == pytest.approx(1, abs=0.02)


@given(st.lists(st.floats(-1, 1, width=32), min_size=64, max_size=64), st.integers(0, 99))
def test_a_kept_vector_tells_nearly_the_same_cosines(parts, seed):
    vector = np.array(parts, dtype=np.float32)
    vector[seed % 64] += 2  # CLIP's vectors have a part that is much larger than the others
    vector /= np.linalg.norm(vector)
    text = np.random.default_rng(seed).normal(size=64)
    text /= np.linalg.norm(text)
    assert float(unpacked(packed(vector)) @ text) == pytest.approx(float(vector @ text), abs=0.02)


# What is read anew, and what is not


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def item(store, prompt="a red mug", **variables):
    recipe = Recipe("preview", "preview-1", prompt, 1)
    stored = store.raw.put(recipe.key(), saved(RED, "PNG"), durable=False)
    return Item("M-1", 0, recipe, recipe.key(), "new", variables=variables, raw=stored)


def validated(one, store, checks, tmp_path):
    table = tmp_path / "table.jsonl"
    measures = load_measures([chosen_measure("file"), chosen_measure("prompt", {"against": AGAINST})])
    write_table(table, validate_batch([one], measures, store, checks))
    (done,) = read_table(table)
    return done


def test_the_prompt_is_compared_where_no_check_says_what_is(store, tmp_path):
    done = validated(item(store), store, {}, tmp_path)
    assert flat(done.measures)["prompt.similarity"] == pytest.approx(1, abs=0.02)
    assert not any("_" in name.partition(".")[2][:1] for name in flat(done.measures))


def test_each_check_is_compared_with_its_own_text(store, tmp_path):
    checks = {
        "prompt.similarity": Check(reject=Limit(min=0.5), variable="color"),
        "prompt.margin": Check(review=Limit(min=0.1), value="red"),
    }
    done = validated(item(store, color="green"), store, checks, tmp_path)
    wanted = Expected("a red mug", {"color": "green"})
    values = values_of(done.measures, checks, wanted)
    assert values["prompt.similarity"] == pytest.approx(0, abs=0.02)
    assert values["prompt.margin"] > 0.3
    verdict = judge(values, {}, checks, formats=["png"], size_as_requested=False)
    assert verdict.status is Status.REJECTED
    assert str(verdict.reasons[0]).startswith("prompt.similarity: image and text have a similarity of ")


def test_an_empty_value_is_not_compared(store, tmp_path):
    checks = {"prompt.similarity": Check(reject=Limit(min=0.5), variable="color")}
    done = validated(item(store, color=""), store, checks, tmp_path)
    assert "prompt.similarity" not in values_of(done.measures, checks, Expected("a red mug", {"color": ""}))


def test_another_text_is_compared_without_reading_the_image_again(store, tmp_path):
    checks = {"prompt.similarity": Check(reject=Limit(min=0.5), variable="color")}
    first = validated(item(store, color="red"), store, checks, tmp_path)
    store.raw.path(first.raw).unlink()
    second = validated(item_with(first, color="green"), store, checks, tmp_path)
    assert second.failure is None
    similarity = {
        color: values_of(second.measures, checks, Expected("", {"color": color}))["prompt.similarity"]
        for color in ("red", "green")
    }
    assert similarity["red"] > 0.9 > 0.1 > similarity["green"]


def item_with(one, **variables):
    return Item(one.name, 0, one.recipe, one.key, "text changed: prompt", variables, one.raw, one.measures)


def test_a_failure_on_the_image_is_told_once_and_leaves_nothing_open(store, tmp_path, project):
    tiny_clip(project, gain=(0, 0, 0))
    done = validated(item(store), store, {}, tmp_path)
    assert flat(done.measures)["prompt.failed"] == "ValueError: the model returned no usable vector"
    measures = [chosen_measure("prompt", {"against": AGAINST}).identity]
    assert still_to_measure([*measures, *texts_to_match(measures, {}, Expected("a red mug", {}))], done.measures) == []
    verdict = judge(flat(done.measures), {}, {}, formats=["png"], size_as_requested=False)
    assert Counter(reason.code for reason in verdict.reasons) == {"unmeasured": 1}


def test_other_weights_are_another_measure_and_another_place_is_none(project, tmp_path):
    before = identity()
    (project / "README.md").write_text("not read by anybody")
    assert identity() == before
    project.rename(tmp_path / "elsewhere")
    assert identity(model="elsewhere") == before
    tiny_clip(tmp_path / "elsewhere", gain=(1, 2, 1))
    assert identity(model="elsewhere") != before


def test_weights_that_are_gone_are_taken_to_be_those_that_were_there(project, tmp_path):
    before = identity()
    project.rename(tmp_path / "elsewhere")
    assert identity() == before


def test_files_are_hashed_once_as_long_as_nothing_changes(project, monkeypatch):
    for path in (project, project / "onnx"):
        for file in path.iterdir():
            os.utime(file, (1, 1))
    import imagemake.plugins.weights as weights

    monkeypatch.setattr(file_stamp, "RACY_NS", -(10**12))  # as if the files had been there for long
    before = identity()
    assert not weights.CACHE.exists(), "looking writes nothing"
    weights.save_digests()
    assert json.loads(weights.CACHE.read_bytes())["files"]
    (project / "tokenizer.json").touch()  # read again once, and then remembered again
    weights.cache_at.cache_clear()
    assert identity() == before
    weights.save_digests()
    weights.cache_at.cache_clear()
    monkeypatch.setattr(weights.hashlib, "file_digest", lambda *_: pytest.fail("hashed again"))
    assert identity() == before


# What is told before a run


def told(**settings):
    campaign = load_campaign({**LEAST, "validation": {"measures": {"prompt": settings}}})
    with pytest.raises(UserError) as caught:
        check_packages(campaign)
    return str(caught.value)


def test_a_folder_that_is_not_there_is_told_with_how_to_get_one():
    assert told(model="nowhere").splitlines() == [
        "config/config.yaml, validation.measures.prompt: there is no folder 'nowhere'.",
        "  Get a model with ONNX files, for example: hf download Xenova/clip-vit-base-patch32 --local-dir nowhere; "
        "or set model to the folder of a model that you have.",
    ]


def test_networks_of_another_precision_are_named(tmp_path):
    tiny_clip(tmp_path / "small", variant="quantized")
    assert "text_model_quantized.onnx, vision_model_quantized.onnx: set variant" in told(model="small")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tokenizer.json", b"{}", "is not a tokenizer"),
        ("tokenizer.json", b"version https://git-lfs.github.com/spec/v1\n", "only a pointer to a file"),
        ("preprocessor_config.json", b"<html>", "is not valid JSON"),
        ("preprocessor_config.json", b"{}", "does not say how images are prepared: KeyError 'size'"),
        ("config.json", b"nothing", "is not valid JSON"),
        ("onnx/text_model.onnx", b"version https://git-lfs.github.com/spec/v1\n", "only a pointer to a file"),
    ],
)
def test_a_broken_file_is_told_before_the_run(name, content, said, project):
    (project / name).write_bytes(content)
    assert said in told()


def test_a_network_that_is_none_ends_the_job_with_a_remedy(project):
    (project / "onnx" / "vision_model.onnx").write_bytes(b"no network")
    with pytest.raises(UserError, match="cannot be loaded"):
        load_measures([chosen_measure("prompt")])


def test_an_export_without_projection_is_told(project):
    (project / "onnx" / "text_model.onnx").write_bytes((project / "onnx" / "vision_model.onnx").read_bytes())
    with pytest.raises(NotReadyError, match="has none of the outputs text_embeds, pooler_output; it has image_embeds"):
        measure()


def test_what_is_measured_by_other_weights_is_another_batch(project):
    campaign = load_campaign({**LEAST, "validation": {"measures": {"prompt": None}}})
    recipe = Recipe("preview", "preview-1", "a red mug", 1)
    request = Request(name="M-1", recipe=recipe, row=2, variables={}, take=1)
    states = [
        State(
            request, recipe, recipe.key(), stage=Stage.VALIDATE, why=RebuildReason.MEASURE_CHANGED.because(["prompt"])
        )
    ]

    def batch():
        return next(batches_of(states, campaign, lambda key: 0, JobSizes(campaign, 1)))[0].id

    before = batch()
    assert batch() == before
    tiny_clip(project, gain=(1, 2, 1))
    assert batch() != before
