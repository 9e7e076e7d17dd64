"""Presets: a name in place of address, key, and dialect."""

import asyncio
import base64
import json
import re
from datetime import date

import orjson
import pytest
from folders import REPOSITORY
from recording_server import recording

from imagemake.config.job_settings import JobSettings, job_settings_json
from imagemake.config.load import load_campaign
from imagemake.config.models import load_models, problems_in_batch, problems_of
from imagemake.config.presets import presets
from imagemake.config.yaml12 import read_yaml
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import expand
from imagemake.plan.state import State
from imagemake.plugins.providers import SeedUse, response_to
from imagemake.testing.base import by_digest, picture
from imagemake.workflow.preflight.models import check_models

OWN = {"vllm-omni", "sglang", "sd-cpp", "litellm"}  # servers of the user's own
BASE = {"campaign": "c", "catalog": "c.csv", "prompt": "p", "name": "{sku}"}


def campaign(**model):
    return load_campaign({**BASE, "model": {"name": "m", **model}})


def sent(monkeypatch, preset, models=None, **recipe):
    """Return the body that a request to a preset's server has, and what becomes of its seed."""
    request, seed_use = asked(monkeypatch, preset, models, **recipe)
    return json.loads(request.body), seed_use


def asked(monkeypatch, preset, models=None, images=None, **recipe):
    """Return a request to a preset's server, and what becomes of its seed."""
    monkeypatch.setenv("ANY_KEY", "k-0123456789")
    with recording() as server:
        settings = campaign(preset=preset, base_url=server.address, key_from="ANY_KEY").model
        provider = settings.connects_to.start(5, load_models(models))

        async def call():
            try:
                wanted = Recipe(**{"provider": "openai", "model": "m", "prompt": "a mug", "seed": 7} | recipe)
                await response_to(provider, wanted, images or {})
            finally:
                await provider.close()

        asyncio.run(call())
        (request,) = server.requests
        return request, provider.seed_use("m")


@pytest.mark.parametrize("name", presets())
def test_each_preset_names_its_server_in_keys_and_has_facts(name):
    settings = campaign(preset=name, **({"base_url": "http://h:1/v1"} if name in OWN else {})).model
    assert (settings.provider, settings.endpoint) == ("openai", name)
    assert (settings.key_from is None) == (name in OWN | {"localai"})
    assert settings.connects_to.model("any-model", load_models()).name == "any-model"


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_server_of_ones_own_needs_an_address(name):
    with pytest.raises(UserError, match="needs base_url"):
        campaign(preset=name)


def test_an_unknown_preset_is_a_mistake_with_the_nearest_one():
    with pytest.raises(UserError, match="Did you mean 'together'"):
        campaign(preset="togther")


def test_what_the_user_says_is_above_the_preset_and_reaches_jobs():
    found = campaign(preset="together", base_url="https://proxy.example/v1", key_from="PROXY_KEY")
    jobs = JobSettings(orjson.loads(job_settings_json(found, "model")))
    assert jobs.model == found.model
    assert (jobs.model.base_url, jobs.model.key_from) == ("https://proxy.example/v1", "PROXY_KEY")
    assert jobs.model.endpoint == "together"


def test_more_models_with_a_preset_take_nothing_from_the_main_model():
    config = {**BASE, "model": {"provider": "openai", "name": "m", "parameters": {"quality": "high"}}}
    found = load_campaign({**config, "more_models": {"flux": {"preset": "together", "name": "flux"}}})
    assert (found.more_models["flux"].endpoint, dict(found.more_models["flux"].parameters)) == ("together", {})


@pytest.mark.parametrize(
    ("preset", "fields"),
    [
        ("together", {"seed": 7, "width": 1024, "height": 1536, "response_format": "base64"}),
        ("deepinfra", {"size": "1024x1536"}),
        ("recraft", {"size": "1024x1536", "response_format": "b64_json"}),
        ("xai", {"aspect_ratio": "2:3", "response_format": "b64_json"}),
        ("seedream", {"seed": 7, "size": "1024x1536", "watermark": False}),
        ("vllm-omni", {"seed": 7, "size": "1024x1536"}),
        ("sglang", {"seed": 7, "size": "1024x1536", "response_format": "b64_json"}),
        ("localai", {"seed": 7, "size": "1024x1536", "prompt": "a mug"}),
        ("sd-cpp", {"prompt": 'a mug <sd_cpp_extra_args>{"seed":7}</sd_cpp_extra_args>'}),
        ("litellm", {"size": "1024x1536"}),
    ],
)
def test_a_request_is_spelled_as_the_server_wants_it(monkeypatch, preset, fields):
    body, seed_use = sent(monkeypatch, preset, parameters={"size": "1024x1536"})
    assert {name: body.get(name) for name in fields} == fields
    assert (seed_use is SeedUse.SENT) == ("7" in json.dumps(body))
    assert body["model"] == "m"


def test_a_ratio_with_a_tier_is_two_fields(monkeypatch):
    body, _ = sent(monkeypatch, "xai", parameters={"size": "16:9@2K"})
    assert (body["aspect_ratio"], body["resolution"], "size" in body) == ("16:9", "2k", False)


def test_parameters_replace_what_is_always_sent(monkeypatch):
    assert sent(monkeypatch, "seedream", parameters={"watermark": True})[0]["watermark"] is True


def test_localai_gets_the_negative_prompt_after_a_bar_that_no_catalog_can_write(monkeypatch):
    body, _ = sent(monkeypatch, "localai", prompt="a mug | nude", negative_prompt="text|logo")
    assert (body["prompt"], "negative_prompt" in body) == ("a mug   nude|text logo", False)


def test_no_catalog_text_sets_arguments_of_the_server(monkeypatch):
    evil = 'a mug <sd_cpp_extra_args>{"steps": 500}</sd_cpp_extra_args ><SD_CPP_EXTRA_ARGS>{}'
    body, _ = sent(monkeypatch, "sd-cpp", prompt=evil)
    assert body["prompt"].lower().count("<sd_cpp_extra_args") == 1
    assert body["prompt"].endswith('<sd_cpp_extra_args>{"seed":7}</sd_cpp_extra_args>')


def test_a_campaigns_own_facts_name_the_seed_of_any_server(monkeypatch):
    own = {"vllm-omni": {"m": {"seed_field": "random_seed"}}}
    assert sent(monkeypatch, "vllm-omni", own)[0]["random_seed"] == 7


PICTURES = by_digest(picture("PNG", "red"), picture("JPEG", "navy"))


def files_in(*urls):
    return [base64.b64decode(url.partition(";base64,")[2], validate=True) for url in urls]


def asked_with(monkeypatch, preset, n, models=None):
    digests = tuple(PICTURES)[:n]
    request, _ = asked(monkeypatch, preset, models, PICTURES, references=digests, parameters={"size": "1024x1024"})
    return request.path, json.loads(request.body)


def test_seedream_gets_reference_images_as_data_urls_one_as_text_and_several_as_a_list(monkeypatch):
    path, body = asked_with(monkeypatch, "seedream", 1)
    assert (path, body["image"][:22], files_in(body["image"])) == (
        "/images/generations",
        "data:image/png;base64,",
        [*PICTURES.values()][:1],
    )
    assert (body["seed"], body["watermark"], body["prompt"]) == (7, False, "a mug")
    path, body = asked_with(monkeypatch, "seedream", 2)
    assert files_in(*body["image"]) == [*PICTURES.values()]
    assert body["image"][1].startswith("data:image/jpeg;base64,")


def test_xai_gets_one_reference_image_in_the_json_of_its_edits(monkeypatch):
    path, body = asked_with(monkeypatch, "xai", 1)
    assert (path, body["image"]["type"]) == ("/images/edits", "image_url")
    assert files_in(body["image"]["url"]) == [*PICTURES.values()][:1]
    assert (body["aspect_ratio"], body["response_format"], body["model"]) == ("1:1", "b64_json", "m")


def test_a_list_of_reference_images_is_sent_to_together_if_the_user_knows_that_it_takes_data_urls(monkeypatch):
    own = {"together": {"m": {"reference_form": "reference_images", "max_reference_images": 4}}}
    path, body = asked_with(monkeypatch, "together", 2, own)
    assert (path, files_in(*body["reference_images"])) == ("/images/generations", [*PICTURES.values()])
    assert (body["width"], body["response_format"]) == (1024, "base64")
    assert load_models(own).get("openai", "m", "together").facts.negative_prompt is True, "the other facts stay"


@pytest.mark.parametrize(
    ("preset", "n", "unknown"),
    [
        ("together", 1, "whether it takes files as data URLs is unknown"),
        ("xai", 2, "how several are sent is not known"),
        ("recraft", 1, "paths and fields of their own"),
        ("deepinfra", 1, "Remove them, or choose another model"),
        ("seedream", 15, "Remove some"),
    ],
)
def test_reference_images_that_cannot_be_sent_are_refused_with_what_is_unknown(preset, n, unknown):
    recipe = Recipe("openai", "m", "p", 1, endpoint=preset, references=tuple(f"{i:064x}" for i in range(n)))
    model = load_models().get("openai", "m", preset)
    (finding,) = problems_of(model, recipe, date(2026, 11, 27))
    assert "reference images" in finding.what
    assert unknown in finding.remedy


@pytest.mark.parametrize("preset", ["seedream", "xai"])
def test_reference_images_as_data_urls_are_not_sent_in_batches(preset):
    recipe = Recipe("openai", "m", "p", 1, endpoint=preset, references=("0" * 64,))
    assert problems_in_batch(load_models().get("openai", "m", preset), recipe)


def test_a_price_for_one_model_of_a_server_leaves_the_other_facts_of_the_server(monkeypatch):
    own = {"together": {"m": {"prices": {"as_of": "2026-11-27", "usd_per_image": 0.03}}}}
    body, seed_use = sent(monkeypatch, "together", own, parameters={"size": "1024x1536"})
    assert (body["seed"], body["width"], body["response_format"], seed_use) == (7, 1024, "base64", SeedUse.SENT)
    of_all = {"together": {"*": {"seed_field": "noise"}, **own["together"]}}
    assert sent(monkeypatch, "together", of_all)[0]["noise"] == 7


RECIPES = re.compile(r"^### .+?\n\n```yaml\n(?P<text>.*?)^```", re.M | re.S)


def recipes():
    page = (REPOSITORY / "docs" / "providers" / "presets.md").read_text(encoding="utf-8")
    configs = [read_yaml(found["text"]) for found in RECIPES.finditer(page)]
    return {config["model"]["preset"]: config for config in configs}


def test_every_preset_has_a_recipe():
    assert {*recipes()} == {*presets()}


@pytest.mark.parametrize("preset", presets())
def test_each_recipe_loads_and_its_request_passes_the_checks_of_a_plan(preset, monkeypatch):
    campaign = load_campaign(recipes()[preset])
    (request,) = expand(campaign, [Row(2, {"sku": "M-7", "product": "a mug"})])
    states = [State(request, request.recipe, request.recipe.key())]
    for name in campaign.model.connects_to.variables():
        monkeypatch.setenv(name, "k-0123456789")
    assert check_models(states, campaign, {}, date(2026, 11, 27)) == []
    assert request.recipe.endpoint == preset


def test_the_pages_own_facts_for_together_load():
    page = (REPOSITORY / "docs" / "providers" / "presets.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```yaml\n(models:\n  together:\n[^`]*reference_form.*?)^```", page, re.M | re.S)
    facts = load_models(read_yaml(text)["models"]).get("openai", "black-forest-labs/FLUX.2-pro", "together").facts
    assert (facts.reference_form, facts.max_reference_images, facts.seed_field) == ("reference_images", 8, "seed")
