"""Files that models are made of: their content decides the key, and where they are does not."""

import pytest
from own_model import OwnProvider, install

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import NotReadyError, UserError
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import expand


@pytest.fixture(autouse=True)
def provider(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    install(monkeypatch)
    (tmp_path / "a.safetensors").write_bytes(b"one")
    (tmp_path / "soft.safetensors").write_bytes(b"soft")


def recipes(*rows, **model):
    files = {"weights": "a.safetensors", "soft": "soft.safetensors"}
    model = {"provider": "own", "name": "one", "files": files, **model}
    campaign = {"campaign": "Shop", "catalog": "config/catalog.csv", "prompt": "A {sku}", "name": "{sku}"}
    found = [Row(n, row) for n, row in enumerate(rows or [{"sku": "mug"}], 2)]
    return [request.recipe for request in expand(load_campaign({**campaign, "model": model}), found)]


def key(**model):
    return recipes(**model)[0].key()


def test_content_decides_the_key_and_the_place_does_not(tmp_path):
    first = key()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a.safetensors").rename(tmp_path / "elsewhere" / "b.safetensors")
    assert key(files={"weights": "elsewhere/b.safetensors"}) == first
    (tmp_path / "elsewhere" / "b.safetensors").write_bytes(b"two")
    assert key(files={"weights": "elsewhere/b.safetensors"}) != first


def test_a_file_that_an_image_does_not_use_is_not_in_its_key(tmp_path):
    rows = {"sku": "mug", "parameters.style": ""}, {"sku": "cup", "parameters.style": "soft"}
    plain, styled = recipes(*rows)
    (tmp_path / "soft.safetensors").write_bytes(b"softer")
    plain_now, styled_now = recipes(*rows)
    assert plain_now.key() == plain.key()
    assert styled_now.key() != styled.key()
    assert {*plain.model_files}, {*styled.model_files} == ({"weights"}, {"weights", "soft"})


def test_a_missing_file_counts_as_last_known_until_something_is_to_be_made(tmp_path):
    first = key()
    (tmp_path / "a.safetensors").unlink()
    assert key() == first
    with pytest.raises(NotReadyError, match="weights is missing"):
        OwnProvider.model_files("one", {"weights": "a.safetensors"}, {}, present=True)


def test_a_file_that_was_never_read_is_a_mistake_of_its_model():
    with pytest.raises(UserError, match=r"config.yaml, model: weights is missing\.\n  Put it there\."):
        recipes(name="two", files={"weights": "b.safetensors"})


def test_digests_are_remembered_while_a_file_stays_as_it_is(monkeypatch):
    monkeypatch.setattr("imagemake.core.file_stamp.RACY_NS", -(10**9))  # as if it had been written a while ago
    first = key()
    monkeypatch.setattr("imagemake.plugins.weights.hashlib", None)  # nothing can be read again
    assert key() == first


@pytest.mark.parametrize("section", [{"files": {"weights": "a"}}, {"local": {"batch": 2}}])
def test_a_provider_without_models_on_this_machine_says_so(section):
    model = {"provider": "openai", "name": "gpt-image-2", **section}
    campaign = {"campaign": "Shop", "catalog": "c.csv", "prompt": "A {sku}", "name": "{sku}", "model": model}
    with pytest.raises(UserError, match=r"model\.(files|local): provider openai"):
        load_campaign(campaign)
