"""The section `model.server`: which commands are accepted, what the key holds of them, and what runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.campaign import load_campaign
from imagemake.config.job_settings import job_settings_json
from imagemake.config.model import ModelSettings
from imagemake.config.models import load_models
from imagemake.config.placeholders import parse_template
from imagemake.config.several_models import settings_of
from imagemake.config.started_server import NOWHERE, StartedServer
from imagemake.core.problems import UserError

COMMAND = "/opt/bin/sd-server -m {model} --listen-port {port}"
BASE = {"campaign": "c", "catalog": "config/catalog.csv", "prompt": "{a}", "name": "{a}"}


def settings(**model):
    campaign = load_campaign({**BASE, "model": {"preset": "sd-cpp", "name": "weights.gguf", **model}})
    return campaign.model


def faults(**model):
    with pytest.raises(UserError) as raised:
        settings(**model)
    return str(raised.value)


def test_the_key_names_preset_and_command_without_folder_port_and_model():
    one = settings(server={"command": COMMAND})
    assert one.endpoint == "sd-cpp: sd-server -m {model} --listen-port {port}"
    assert settings(server={"command": COMMAND.replace("/opt/bin", "/usr/bin")}).endpoint == one.endpoint
    assert settings(server={"command": COMMAND + " --steps 4"}).endpoint != one.endpoint


def test_how_a_server_is_watched_and_where_it_runs_is_in_no_key():
    how = {"ready": "/health", "ready_s": 9, "restarts": 0, "stop_s": 1, "gpus": 2, "copies": "auto", "path": ""}
    assert settings(server={"command": COMMAND, **how}).endpoint == settings(server={"command": COMMAND}).endpoint


def test_an_identity_replaces_the_command_so_that_images_of_a_server_started_by_hand_stay():
    by_hand = settings(base_url="http://127.0.0.1:1234/v1")
    assert settings(server={"command": COMMAND}, identity="sd-cpp").endpoint == by_hand.endpoint == "sd-cpp"


def test_the_facts_of_the_preset_hold_for_a_started_server():
    one = settings(server={"command": COMMAND})
    assert one.connects_to.model("weights.gguf", load_models()).facts.seed_field == "<sd_cpp_extra_args>"


def test_no_key_of_a_provider_goes_to_a_started_server():
    one = settings(server={"command": COMMAND})
    assert one.base_url == NOWHERE
    assert one.connects_to.variables() == []


def test_jobs_get_the_same_server_as_the_plan():
    campaign = load_campaign({**BASE, "model": {"preset": "vllm-omni", "name": "m", "server": {"command": COMMAND}}})
    again = ModelSettings.model_validate_json(campaign.model.model_dump_json(exclude_unset=True))
    assert again.connects_to == campaign.model.connects_to
    assert "{port}" in job_settings_json(campaign, "model")


def test_other_models_of_the_same_server_have_a_process_of_their_own_if_the_command_names_the_model():
    for command, same in ((COMMAND, False), ("serve --all --port {port}", True)):
        campaign = load_campaign(
            {**BASE, "model": {"preset": "sd-cpp", "name": "a.gguf", "server": {"command": command}}}
        )
        servers = {settings_of(name, campaign).connects_to for name in ("a.gguf", "b.gguf")}
        assert (len(servers) == 1) is same


def test_a_model_beside_it_can_have_an_address():
    model = {"preset": "sd-cpp", "name": "a.gguf", "server": {"command": COMMAND}}
    other = {"name": "b", "server": None, "base_url": "http://127.0.0.1:8000/v1"}
    campaign = load_campaign({**BASE, "model": model, "more_models": {"far": other}})
    assert settings_of("far", campaign).base_url == "http://127.0.0.1:8000/v1"
    assert settings_of("far", campaign).connects_to.to_start is None


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ({"command": "sd-server"}, "does not say where the server listens"),
        ({"command": []}, "the command is empty"),
        ({"command": ""}, "the command is empty"),
        ({"command": "sd-server '{port}"}, "cannot be split into words"),
        ({"command": "sd-server {port} {prompt}"}, "unknown placeholder {prompt}"),
        ({"command": "sd-server {port} {"}, "unmatched"),
        ({"command": "x --port {port} --api-key abc"}, "holds a secret"),
        ({"command": "x --port {port} --api-key=abc"}, "holds a secret"),
        ({"command": "x --port {port} sk-abcdefghijk"}, "holds a secret"),
        ({"command": COMMAND, "ready": "health"}, "not a path of a server"),
        ({"command": COMMAND, "ready": "/a\r\nX: y"}, "ready"),
        ({"command": COMMAND, "copies": 0}, "copies"),
        ({"command": COMMAND, "shell": True}, "shell"),
        ({}, "command"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(server, told):
    assert told in faults(server=server)


def test_an_address_beside_a_command_is_refused():
    assert "base_url" in faults(server={"command": COMMAND}, base_url="http://127.0.0.1:1/v1")


def test_a_batch_at_a_server_that_ends_with_the_run_is_refused():
    assert "ends with the run" in faults(server={"command": COMMAND}, mode="batch")


WORDS = st.lists(st.text(st.characters(exclude_characters="\0\n", codec="utf-8")), max_size=5)


@given(WORDS, st.text(st.characters(codec="utf-8"), min_size=1), st.integers(1, 65535))
def test_each_word_reaches_the_program_as_it_is_written(words, model, port):
    """There is no shell: quotes, semicolons, dollars, and braces in a model's name mean nothing."""
    escaped = [word.replace("{", "{{").replace("}", "}}") for word in words]
    command = ("serve", *escaped, "--model={model}", "{port}")
    to_start = StartedServer.model_construct(command=command)
    run = [parse_template(word).render({"port": str(port)}) for word in to_start.command_for(model)]
    assert run == ["serve", *words, f"--model={model}", str(port)]
