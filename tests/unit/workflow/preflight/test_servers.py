"""A dry run tells which servers would be started, and whether their programs are there."""

from types import SimpleNamespace

from imagemake.config.campaign import load_campaign
from imagemake.workflow.preflight.servers import server_lines

BASE = {"campaign": "c", "catalog": "config/catalog.csv", "prompt": "{a}", "name": "{a}"}


def told(*labels, **server):
    model = {"preset": "sd-cpp", "name": "a.gguf", "server": {"command": "python -m serve {model} {port}", **server}}
    more = {"far": {"base_url": "http://127.0.0.1:8000/v1", "server": None}}
    campaign = load_campaign({**BASE, "model": model, "more_models": more})
    return [*server_lines([SimpleNamespace(request=SimpleNamespace(model=label)) for label in labels], campaign)]


def test_each_server_that_is_needed_is_told_once_with_its_command():
    lines = told("a.gguf", "a.gguf", "far")
    assert lines == ["  Starts python -m serve a.gguf {port} (1 server, ready within 600 s)."]


def test_nothing_is_told_if_no_image_needs_one():
    assert told("far") == told() == []


def test_gpus_and_copies_are_told():
    assert "(2 servers, with 1 GPU each, ready" in told("a.gguf", gpus=1, copies=2)[0]
    assert "(as many servers as the GPUs allow, with 1 GPU each" in told("a.gguf", gpus=1, copies="auto")[0]


def test_a_program_that_is_not_there_is_a_warning():
    _, warning = told("a.gguf", command="no-such-server-17 {port}")
    assert warning.startswith("  Warning: no-such-server-17 is not a program on this machine's PATH")
