"""Presets: a name in place of address, key, and dialect."""

import asyncio
import json

import pytest
from recording_server import recording

from imagemake.config.job_settings import JobSettings, job_settings_json
from imagemake.config.load import load_campaign
from imagemake.config.models import load_models
from imagemake.config.presets import presets
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import SeedUse

OWN = {"vllm-omni", "sglang", "sd-cpp", "litellm"}  # servers of the user's own
BASE = {"campaign": "c", "catalog": "c.csv", "prompt": "p", "name": "{sku}"}


def campaign(**model):
    return load_campaign({**BASE, "model": {"name": "m", **model}})


def sent(monkeypatch, preset, models=None, **recipe):
    """Return the body that a request to a preset's server has, and what becomes of its seed."""
    monkeypatch.setenv("ANY_KEY", "k-0123456789")
    with recording() as server:
        settings = campaign(preset=preset, base_url=server.address, key_from="ANY_KEY").model
        provider = settings.connects_to.start(5, load_models(models))

        async def call():
            try:
                await provider.generate(
                    Recipe(**{"provider": "openai", "model": "m", "prompt": "a mug", "seed": 7} | recipe)
                )
            finally:
                await provider.close()

        asyncio.run(call())
        return json.loads(server.requests[0].body), provider.seed_use("m")


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
    jobs = JobSettings.model_validate_json(job_settings_json(found, "model"))
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
