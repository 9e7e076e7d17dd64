"""Before a run: packages and files of models on this machine are there, wherever the plan could do without."""

from types import SimpleNamespace

import pytest

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import NotReadyError
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers.diffusers.provider import DiffusersProvider
from imagemake.workflow.preflight.model_files import check_model_files

INSTALLED = {"json": "json"}


def states(*parameters):
    recipes = [Recipe("diffusers", "tiny", "mug", seed, own) for seed, own in enumerate(parameters)]
    return [SimpleNamespace(recipe=recipe, request=SimpleNamespace(model="tiny")) for recipe in recipes]


@pytest.fixture
def campaign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(DiffusersProvider, "packages", INSTALLED)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "model_index.json").write_text("{}")
    model = {"provider": "diffusers", "name": "tiny", "files": {"pipeline": "tiny", "soft": "soft.safetensors"}}
    return load_campaign({"campaign": "Shop", "catalog": "c.csv", "prompt": "A {sku}", "name": "{sku}", "model": model})


def test_a_missing_package_is_told_with_the_command_that_installs_it(campaign, monkeypatch):
    monkeypatch.setattr(DiffusersProvider, "packages", {**INSTALLED, "no_such_module": "no-such"})
    with pytest.raises(NotReadyError, match="packages that are not installed: no-such") as caught:
        check_model_files(states({}), campaign)
    assert caught.value.remedy == "Install them: pip install 'imagemake[diffusers]'"


def test_only_files_that_an_image_needs_must_be_there(campaign):
    check_model_files(states({}), campaign)
    with pytest.raises(NotReadyError, match=r"soft\.safetensors: there is no such file"):
        check_model_files(states({}, {"loras": {"soft": 1}}), campaign)


def test_a_digest_that_is_remembered_does_not_do(campaign, tmp_path):
    check_model_files(states({}), campaign)
    (tmp_path / "tiny" / "model_index.json").unlink()
    with pytest.raises(NotReadyError, match="there is no pipeline"):
        check_model_files(states({}), campaign)


def test_nothing_is_asked_where_nothing_is_to_be_made(campaign, monkeypatch):
    monkeypatch.setattr(DiffusersProvider, "packages", {"no_such_module": "no-such"})
    check_model_files([], campaign)
