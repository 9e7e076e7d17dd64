"""Warnings about lists of models that are missing, old, or about other models."""

from datetime import date, timedelta
from types import SimpleNamespace

import pytest

from imagemake.config.campaign import load_campaign
from imagemake.config.listings import with_listed_facts
from imagemake.config.models import load_models
from imagemake.config.models.listed import ServerName, write_listing
from imagemake.plugins.providers import ListedEndpoint, ModelList
from imagemake.workflow.preflight.lists import check_lists

LISTED_ON = date(2026, 9, 1)
SERVER = ServerName("openrouter")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listed(*names):
    write_listing(SERVER, ModelList("x", {name: {"a": ListedEndpoint({})} for name in names}), LISTED_ON)


def warnings(name="a/model", days=0, provider="openrouter", **more):
    model = {"provider": provider, "name": name, **more}
    campaign = with_listed_facts(
        load_campaign({"campaign": "c", "catalog": "c.csv", "prompt": "p", "name": "{sku}", "model": model})
    )
    states = [SimpleNamespace(request=SimpleNamespace(model=name))] * 3
    return check_lists(states, campaign, load_models(campaign.models), LISTED_ON + timedelta(days))


def test_a_recent_list_with_the_model_says_nothing(project):
    listed("a/model")
    assert warnings(days=60) == []


def test_a_list_is_old_after_60_days(project):
    listed("a/model")
    (warning,) = warnings(days=61)
    assert warning.startswith("config/models/openrouter.json is 61 days old")
    assert warning.endswith("Run: imagemake models --update openrouter")


def test_a_model_that_the_list_lacks_is_told_once_with_the_nearest_name(project):
    listed("a/modell")
    (warning,) = warnings()
    assert "does not list 'a/model'. Did you mean 'a/modell'?" in warning


def test_a_pin_to_an_endpoint_that_the_list_lacks_is_told(project):
    listed("a/model")
    assert warnings(parameters={"provider": {"only": ["a"]}}) == []
    (warning,) = warnings(parameters={"provider": {"only": ["b"]}})
    assert "does not list the endpoints b of a/model, only a." in warning


def test_without_a_list_only_a_provider_that_has_facts_is_asked_for_them(project):
    (warning,) = warnings()
    assert "Nothing is known about a/model of openrouter" in warning
    assert warnings("gpt-image-9", provider="openai") == []
