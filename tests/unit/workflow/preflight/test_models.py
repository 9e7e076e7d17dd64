"""Problems of reference images that a model does not accept."""

from datetime import date
from types import SimpleNamespace

import pytest

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.images.source_files import SourceImage
from imagemake.plan.requests import abilities
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import expand
from imagemake.plan.requests.references import Attached
from imagemake.plan.state import State
from imagemake.plugins.providers import Provider, ReferenceProvider
from imagemake.plugins.providers.openai.provider import OpenAIProvider
from imagemake.store.store import StoredFile
from imagemake.workflow.preflight.models import check_models, faults_of_parents

TODAY = date(2026, 11, 24)
FILES = {
    "a.png": SourceImage("a" * 64, 1000, "png", 64, 48, False),
    "big.png": SourceImage("b" * 64, 10**8, "png", 64, 48, False),
}


class Plain(Provider):
    """A provider without reference images."""

    paid = True

    async def generate(self, recipe):
        raise NotImplementedError


class OneByOne(ReferenceProvider, Plain):
    """A provider whose batches don't accept reference images."""

    async def generate_from(self, recipe, images):
        raise NotImplementedError


def state(row, path="a.png", label="gpt-image-2", parents=(), **parameters):
    attached = Attached((path,), (FILES[path].digest if path in FILES else path,)) if path else Attached()
    recipe = Recipe("openai", "gpt-image-2", "p", row, parameters, references=attached.digests)
    request = SimpleNamespace(row=row, name=f"r{row}", attached=attached, model=label, labels=[label], routes=())
    return SimpleNamespace(recipe=recipe, request=request, parents=parents)


def campaign_of(mode="sync", **more):
    model = {"provider": "openai", "name": "gpt-image-2", "mode": mode, **more}
    return load_campaign({"campaign": "c", "catalog": "c.csv", "prompt": "p", "name": "{sku}", "model": model})


def check(*states, mode="sync"):
    return check_models(states, campaign_of(mode), FILES, TODAY)


@pytest.mark.parametrize(
    ("provider", "mode", "what"),
    [
        (Plain, "sync", "provider openai does not accept reference images."),
        (OneByOne, "batch", "provider openai does not accept reference images in batches."),
    ],
)
def test_a_provider_that_takes_none_is_told_with_the_first_row(monkeypatch, provider, mode, what):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setattr(abilities, "provider_class", lambda name: provider)
    assert check(state(2, None), mode=mode) == []
    with pytest.raises(UserError) as caught:
        check(state(2, None), state(3), state(4), mode=mode)
    (problem,) = caught.value.problems
    assert (problem.where, problem.what) == ("c.csv, row 3 (r3 and 1 other)", what)


@pytest.mark.parametrize("mode", ["sync", "batch"])
def test_a_provider_that_takes_them_is_fine(monkeypatch, mode):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setattr(abilities, "provider_class", lambda name: OpenAIProvider)
    assert check(state(2), mode=mode) == []


def test_a_size_that_batches_of_edits_do_not_take_is_told_before_the_run(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    large = state(2, size="2048x1152")
    assert check(large, mode="sync") == []
    assert check(state(2, None, size="2048x1152"), state(3, size="1024x1536"), mode="batch") == []
    with pytest.raises(UserError) as caught:
        check(large, mode="batch")
    (problem,) = caught.value.problems
    assert problem.what == "in a batch with reference images, gpt-image-2 does not accept size '2048x1152'."
    assert problem.remedy == "Use auto, 1024x1024, 1024x1536, 1536x1024, or set mode: sync."


def test_what_all_images_share_is_told_of_the_configuration_and_what_a_row_has_of_its_row(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    rows = [Row(2, {"sku": "a", "parameters.size": "64x64"}), Row(3, {"sku": "b", "parameters.size": "64x64"})]
    for with_column, where in ((False, "config/config.yaml (a and 1 other)"), (True, "c.csv, row 2 (a and 1 other)")):
        campaign = campaign_of(parameters={"size": "64x64" if not with_column else "1024x1024"})
        given = rows if with_column else [Row(row.number, {"sku": row.values["sku"]}) for row in rows]
        states = [State(request, request.recipe, request.recipe.key()) for request in expand(campaign, given)]
        with pytest.raises(UserError, match="size '64x64'") as caught:
            check_models(states, campaign, {}, TODAY)
        assert caught.value.problems[0].where == where


def test_a_missing_key_is_a_warning_before_anything_is_sent(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(abilities, "provider_class", lambda name: OpenAIProvider)
    assert check(state(2)) == [
        "OPENAI_API_KEY is not set in the environment: every call to gpt-image-2 would be refused."
    ]


def test_a_file_that_is_too_large_is_told_once_with_its_path():
    with pytest.raises(UserError) as caught:
        check(state(2), state(3, "big.png"), state(4, "big.png"))
    (problem,) = caught.value.problems
    assert problem.where == "c.csv, row 3 (r3 and 1 other)"
    assert problem.what.startswith("reference image 'big.png' has 100,000,000 bytes")


def test_an_image_of_the_campaign_is_checked_once_it_is_there():
    waiting = state(2, "image:hero")
    assert check(waiting) == check(state(2))
    values = {"bytes": 10**8, "format": "png", "width_px": 64, "height_px": 48, "has_alpha": False}
    request, raw = SimpleNamespace(name="hero"), StoredFile("k" * 64, "d" * 64, "png")
    hero = SimpleNamespace(request=request, raw=raw, measured={"file@1": values}, is_accepted=True)
    child = state(2, "image:hero", parents=(hero,))
    with pytest.raises(UserError, match="reference image 'image:hero' has 100,000,000 bytes"):
        check(child)
    child.key, other = "child", state(3)
    other.key = "other"
    found = faults_of_parents([child, other], campaign_of(), FILES)
    assert {key: fault.what[:48] for key, fault in found.items()} == {
        "child": "reference image 'image:hero' has 100,000,000 byt"
    }


def test_where_no_model_of_a_list_can_make_an_image_the_reason_of_each_is_told():
    least = {"campaign": "c", "catalog": "c.csv", "prompt": "p", "name": "{sku}"}
    campaign = load_campaign(
        {
            **least,
            "models": {"openai": {"small-1": {"sizes": ["1024x1024"]}}},
            "model": {"provider": "openai", "name": "small-1", "parameters": {"size": "5000x100"}},
            "more_models": {"large": {"name": "gpt-image-2"}, "drawn": {"provider": "preview"}},
            "model_rules": [{"model": ["small-1", "large"]}],
        }
    )
    rows = [Row(row, {"sku": f"s{row}"}) for row in (2, 3)]
    states = [State(request, request.recipe, request.recipe.key()) for request in expand(campaign, rows)]
    with pytest.raises(UserError) as caught:
        check_models(states, campaign, {}, TODAY)
    (problem,) = caught.value.problems
    assert problem.where == "config/config.yaml (s2 and 1 other)"
    first, *reasons = problem.what.splitlines()
    assert first == "no model of its list can make this image:"
    assert [reason.partition(":")[0] for reason in reasons] == ["  small-1", "  large"]
    assert all("5000x100" in reason for reason in reasons)
    assert "model_rules" in problem.remedy
