"""`imagemake models`: what is known about a campaign's models, and the lists of its providers."""

import pytest
from fake_openai import FakeOpenAI
from fake_openrouter import STAND_IN_KEY, FakeOpenRouter

from imagemake.cli.main import main

FLUX = "black-forest-labs/flux.2-pro"
CONFIG = """\
campaign: mugs
catalog: config/catalog.csv
prompt: A {{product}}
name: "{{sku}}"
model: {{provider: openrouter, name: {name}, base_url: {url}, key_from: OPENROUTER_API_KEY}}
"""


@pytest.fixture
def server():
    with FakeOpenRouter() as running:
        yield running


@pytest.fixture
def project(tmp_path, monkeypatch, server):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text(CONFIG.format(name=FLUX, url=server.base_url))
    (tmp_path / "config/catalog.csv").write_text("sku,product,model\nA,mug,\nB,hat,recraft/recraft-v4\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENROUTER_API_KEY", STAND_IN_KEY)
    return tmp_path


@pytest.fixture
def said(capsys):
    def run(*arguments, status=0):
        with pytest.raises(SystemExit) as ended:
            main(["models", *arguments])
        told = capsys.readouterr()
        assert ended.value.code == status, told
        return told.out, told.err

    return run


def lists(project):
    return sorted((project / "config/models").glob("*.json"))


def test_models_of_the_catalog_are_shown_too_with_what_is_known(project, said):
    out, _ = said()
    assert f"{FLUX} of http" in out
    assert "recraft/recraft-v4 of http" in out
    assert out.count("nothing is known about it") == 2


def test_an_update_writes_a_dated_list_pays_nothing_and_tells_what_it_says(project, said, server):
    out, err = said("--update")
    (path,) = lists(project)
    assert f"config/models/{path.name}: 4 models" in out
    assert not err and not server.calls
    out, _ = said()
    assert "listed on 20" in out and "price: at most $0.15 per image" in out
    assert "resolution (1K, 2K)" in out and "up to 8 reference images" in out
    assert "bytedance-seed/seedream-4.5  output image: $0.04 per image" in said("--all")[0]


def test_a_second_update_tells_what_changed(project, said):
    said("--update")
    assert "  as on 20" in said("--update")[0]
    (path,) = lists(project)
    text = path.read_text().replace('"4K"', '"8K"').replace("recraft/recraft-v4", "recraft/recraft-v3")
    path.write_text(text)
    out, _ = said("--update", "openrouter")
    assert "  new: recraft/recraft-v4" in out
    assert "  gone: recraft/recraft-v3" in out
    assert "  changed: bytedance-seed/seedream-4.5, google/gemini-3-pro-image" in out


def test_what_a_list_says_cannot_command_the_terminal(project, said):
    said("--update")
    (path,) = lists(project)
    path.write_text(path.read_text().replace("output image: $0.03 per image", "free\\u001b[2J"))
    for arguments in ((), ("--all",)):
        assert "free\\x1b[2J" in said(*arguments)[0]


def test_a_damaged_list_is_written_anew(project, said):
    said("--update")
    (path,) = lists(project)
    path.write_text("{")
    assert "this is not JSON" in said(status=2)[1]
    said("--update")
    said()


def test_what_a_server_lists_and_nobody_can_use_is_told(project, said, server):
    server.lists["/images/models"] = b'{"data": [{"id": "a/b"}, {"id": "../x"}, 7]}'
    out, _ = said("--update")
    assert "ignored, because it cannot be used (3)" in out
    assert "a/b: its endpoints" in out


@pytest.mark.parametrize("answer", [b"<html>", b'{"data": 7}', b"[]"])
def test_a_server_without_a_list_leaves_the_last_one_as_it_is(project, said, server, answer):
    said("--update")
    (path,) = lists(project)
    before = path.read_bytes()
    server.lists["/images/models"] = answer
    assert "has no list of models" in said("--update", status=3)[1]
    assert path.read_bytes() == before


def test_a_provider_that_is_out_of_reach_is_told_with_its_address(project, said):
    (project / "config/config.yaml").write_text(CONFIG.format(name=FLUX, url="http://127.0.0.1:9/api/v1"))
    assert "http://127.0.0.1:9" in said("--update", status=3)[1]
    assert not lists(project)


def test_an_unknown_provider_is_a_mistake_and_one_without_a_list_is_told(project, said):
    assert "'openruoter' is not known" in said("--update", "openruoter", status=2)[1]
    assert "preview: has no list of models" in said("--update", "preview")[0]


def test_a_server_with_openais_api_lists_names_only(project, said, monkeypatch):
    with FakeOpenAI() as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-stand-in")
        config = CONFIG.format(name="gpt-image-2", url=server.base_url)
        (project / "config/config.yaml").write_text(
            config.replace("openrouter", "openai").replace("OPENROUTER", "OPENAI")
        )
        assert "models, from http" in said("--update")[0]
        out, _ = said()
        assert not server.calls()
    assert "  listed on 20" in out
    assert "recraft/recraft-v4 of http" in out and "  NOT listed on 20" in out
