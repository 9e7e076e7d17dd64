"""Workflows: what decides keys, what is wrong with a file, and what is proposed."""

import copy
import json
import random

import pytest
from fake_comfyui import workflow
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.plugins.providers.test_comfyui_conformance import INPUTS

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers.comfyui.graph import BadWorkflowError, read_graph
from imagemake.plugins.providers.comfyui.proposal import propose
from imagemake.plugins.providers.comfyui.template import Template, template_of


def graph_of(nodes):
    return read_graph(json.dumps(nodes).encode())


def template(nodes, output=None, inputs=INPUTS):
    return template_of(graph_of(nodes), output, inputs)


def shuffled(values, chance):
    """Return a mapping in another order."""
    names = list(values)
    chance.shuffle(names)
    return {name: values[name] for name in names}


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.text(max_size=5))
def test_order_titles_and_nodes_that_nothing_needs_decide_nothing(seed, text):
    chance = random.Random(seed)
    nodes = {n: {**node, "inputs": shuffled(node["inputs"], chance)} for n, node in workflow().items()}
    for node in nodes.values():
        node["_meta"] = {"title": text}
    nodes["99"] = {"class_type": "Note", "inputs": {"text": text}}
    nodes["98"] = {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}
    nodes["9"]["inputs"]["filename_prefix"] = text
    assert template(shuffled(nodes, chance)) == template(workflow())


def test_equal_numbers_are_the_same_however_they_are_written():
    nodes = workflow()
    nodes["3"]["inputs"]["cfg"] = 8
    assert template(nodes) == template(workflow())


@pytest.mark.parametrize(("number", "name"), [("3", "cfg"), ("3", "steps"), ("4", "ckpt_name"), ("3", "model")])
def test_every_value_and_link_that_the_output_needs_decides_keys(number, name):
    nodes = workflow()
    nodes[number]["inputs"][name] = {"model": ["4", 2]}.get(name, "other.safetensors" if number == "4" else 9.5)
    assert template(nodes) != template(workflow())


def test_values_that_each_request_replaces_decide_nothing_and_those_that_it_may_leave_do():
    nodes = workflow()
    nodes["6"]["inputs"]["text"] = "another prompt"
    nodes["3"]["inputs"]["seed"] = 2**63  # more than a number of a key can be
    assert template(nodes) == template(workflow())
    nodes["7"]["inputs"]["text"] = "another one"
    assert template(nodes) != template(workflow())


@settings(deadline=None, max_examples=60)
@given(prompt=st.text(max_size=20), seed=st.integers(0, 2**31 - 1), steps=st.integers(1, 90))
def test_a_filled_workflow_differs_from_the_file_in_the_named_inputs_only(prompt, seed, steps):
    filled = Template(template(workflow(), inputs={**INPUTS, "steps": ["3.steps"]})).filled(
        Recipe("comfyui", "m", prompt, seed, {"steps": steps, "size": "128x72"}), {}, "x/y"
    )
    expected = copy.deepcopy(workflow())
    for number, name, value in (
        ("6", "text", prompt),
        ("3", "seed", seed),
        ("3", "steps", steps),
        ("5", "width", 128),
        ("5", "height", 72),
        ("9", "filename_prefix", "x/y"),
    ):
        expected[number]["inputs"][name] = value
    assert {n: node["inputs"] for n, node in filled.items()} == {n: node["inputs"] for n, node in expected.items()}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"\x89PNG", "not JSON"),
        (b"[]", "no nodes"),
        (b"{}", "no nodes"),
        (b'{"nodes": [], "links": []}', "as ComfyUI's editor saves it"),
        (b'{"1": {"class_type": "X"}}', "no class_type or no inputs"),
        (b'{"1": {"class_type": "X", "inputs": {"a": ["7", 0]}}}', "linked to node 7, which is not there"),
        (b'{"1": {"class_type": "X", "inputs": {"a": NaN}}}', "no number in JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_another_file_is_told_with_how_to_export_a_workflow(data, words):
    with pytest.raises(BadWorkflowError, match=words) as raised:
        read_graph(data)
    assert "Export (API)" in raised.value.remedy


@pytest.mark.parametrize(
    ("inputs", "output", "words"),
    [
        ({"prompt": ["66.text"]}, None, "has no node '66'"),
        ({"prompt": ["6.words"]}, None, "has no input 'words'"),
        ({"prompt": ["3.positive"]}, None, "takes its value from node 6"),
        ({"prompt": ["6.text"], "style": ["6.text"]}, None, "both prompt and style to 6.text"),
        ({"prompt": ["6.text"]}, "77", "no node '77' for output"),
        ({"prompt": ["6.text"]}, "5", "does not depend on node 6"),
    ],
)
def test_settings_that_do_not_fit_are_told_with_the_place(inputs, output, words):
    with pytest.raises(BadWorkflowError, match=words):
        template(workflow(), output, inputs)


def test_of_several_outputs_one_must_be_chosen_and_they_are_listed():
    nodes = {**workflow(), "12": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}, "_meta": {"title": "Big"}}}
    with pytest.raises(BadWorkflowError, match=r'9 \(SaveImage\), 12 \(SaveImage, "Big"\)'):
        template(nodes)
    assert template(nodes, "9") != template(nodes, "12")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parameters": {"steps": 8}}, "no input for the parameter 'steps'"),
        ({"parameters": {"size": "2:3"}}, "no edges in pixels"),
        ({"references": ("d",)}, "1 reference image for 0 places"),
        ({"mask": "d"}, "takes no mask"),
    ],
)
def test_a_request_that_does_not_fit_the_workflow_is_told(changes, words):
    kept = Template(template(workflow()))
    assert kept.fault(Recipe("comfyui", "m", "p", 1, negative_prompt="blur")) is None
    fault = kept.fault(Recipe("comfyui", "m", "p", 1, **changes))
    assert fault is not None
    assert words in fault[0]


def test_a_negative_prompt_without_an_input_is_told():
    kept = Template(template(workflow(), inputs={"prompt": ["6.text"], "seed": ["3.seed"]}))
    assert "negative prompt" in kept.fault(Recipe("comfyui", "m", "p", 1, negative_prompt="blur"))[0]
    assert "size" in kept.fault(Recipe("comfyui", "m", "p", 1, {"size": "64x64"}))[0]


FLUX = {
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a fox", "clip": ["11", 0]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["13", 0], "vae": ["10", 0]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
    "10": {"class_type": "VAELoader", "inputs": {"vae_name": "ae.safetensors"}},
    "11": {"class_type": "DualCLIPLoader", "inputs": {"clip_name1": "t5.safetensors", "clip_name2": "l.safetensors"}},
    "12": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux1-dev.safetensors"}},
    "13": {
        "class_type": "SamplerCustomAdvanced",
        "inputs": {"noise": ["25", 0], "guider": ["22", 0], "latent_image": ["27", 0]},
    },
    "22": {"class_type": "BasicGuider", "inputs": {"model": ["30", 0], "conditioning": ["26", 0]}},
    "25": {"class_type": "RandomNoise", "inputs": {"noise_seed": 219670278747233}},
    "26": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["6", 0]}},
    "27": {"class_type": "EmptySD3LatentImage", "inputs": {"width": ["34", 0], "height": ["35", 0]}},
    "30": {"class_type": "ModelSamplingFlux", "inputs": {"width": ["34", 0], "height": ["35", 0], "model": ["12", 0]}},
    "34": {"class_type": "PrimitiveInt", "inputs": {"value": 1024}},
    "35": {"class_type": "PrimitiveInt", "inputs": {"value": 768}},
    "40": {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}},
}
CONTROL = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": ["50", 0],
            "positive": ["20", 0],
            "negative": ["20", 1],
            "model": ["4", 0],
            "latent_image": ["12", 0],
        },
    },
    "50": {"class_type": "Seed (rgthree)", "inputs": {"seed": 5}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["60", 0], "clip": ["4", 1]}},
    "60": {"class_type": "PrimitiveStringMultiline", "inputs": {"value": "a mug"}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad", "clip": ["4", 1]}},
    "20": {
        "class_type": "ControlNetApplyAdvanced",
        "inputs": {"strength": 0.5, "positive": ["6", 0], "negative": ["7", 0], "image": ["10", 0]},
    },
    "10": {"class_type": "LoadImage", "inputs": {"image": "pose.png"}},
    "11": {"class_type": "LoadImage", "inputs": {"image": "init.png"}},
    "12": {"class_type": "VAEEncode", "inputs": {"pixels": ["11", 0], "vae": ["4", 2]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["8", 0]}},
    "19": {"class_type": "SaveImage", "inputs": {"filename_prefix": "y", "images": ["10", 0]}},
}
ZEROED = {
    **workflow(),
    "7": {"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["6", 0]}},
}


@pytest.mark.parametrize(
    ("nodes", "inputs"),
    [
        (workflow(), INPUTS),
        (
            FLUX,
            {"prompt": ["6.text"], "seed": ["25.noise_seed"], "width": ["34.value"], "height": ["35.value"]},
        ),
        (
            CONTROL,
            {
                "prompt": ["60.value"],
                "negative_prompt": ["7.text"],
                "seed": ["50.seed"],
                "references": ["10.image", "11.image"],
            },
        ),
        (ZEROED, {name: places for name, places in INPUTS.items() if name != "negative_prompt"}),
    ],
)
def test_places_are_found_by_the_links_and_the_proposal_fits(nodes, inputs):
    found = propose(graph_of(nodes))
    assert found.inputs == inputs
    assert template(nodes, found.output, found.inputs)


def test_a_proposal_names_other_outputs_and_the_files_that_no_key_can_tell():
    found = propose(graph_of(CONTROL))
    assert (found.output, found.others) == ("9", ["19"])
    assert found.models == {"4.ckpt_name": "a.safetensors"}
    assert found.images == {"10.image": "pose.png", "11.image": "init.png"}
    assert propose(graph_of(FLUX)).size == (1024, 768)
