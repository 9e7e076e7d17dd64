"""What `imagemake init` writes, and what it leaves alone."""

from pathlib import Path

import pytest

from imagemake.cli.init import PROVIDERS, STARTERS
from imagemake.cli.main import main
from imagemake.cli.new_project import KEYS, write_project
from imagemake.config.load import read_campaign
from imagemake.core.problems import UserError
from imagemake.plan.requests.catalog import read_catalog
from imagemake.plan.requests.expand import expand


def write_downloaded(cache, monkeypatch):
    """Write the index of the pipeline that the starters name, as if it had been downloaded."""
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    folder = cache / "models--stabilityai--stable-diffusion-xl-base-1.0" / "snapshots" / "main"
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("starter", STARTERS)
def test_every_kind_of_project_is_a_campaign_that_can_be_planned(tmp_path, monkeypatch, starter, provider):
    told = list(write_project(tmp_path, starter, provider))
    monkeypatch.chdir(tmp_path)
    write_downloaded(tmp_path / "hub", monkeypatch)
    campaign = read_campaign(Path("config/config.yaml"))
    requests = expand(campaign, read_catalog(Path(campaign.catalog)))
    assert requests
    assert provider in {campaign.model.provider, campaign.model.preset}
    assert campaign.budget_usd.is_limited == (provider not in ("preview", "diffusers"))
    keys = campaign.model.connects_to.variables()
    assert keys == ([KEYS[provider]] if KEYS[provider] else [])
    assert [line for line in told if "export" in line] == [f"  export {key}=…" for key in keys]


def test_what_is_there_stays_as_it_is(tmp_path, capsys):
    own = tmp_path / "config" / "config.yaml"
    own.parent.mkdir()
    own.write_text("campaign: mine\n")
    (tmp_path / ".gitignore").symlink_to("nowhere")
    with pytest.raises(SystemExit) as end:
        main(["init", str(tmp_path)])
    assert end.value.code == 0
    assert own.read_text() == "campaign: mine\n"
    assert (tmp_path / ".gitignore").is_symlink()
    told = capsys.readouterr().out
    assert f"kept {own}" in told
    assert f"wrote {tmp_path / 'Snakefile'}" in told
    assert [path.name for path in own.parent.iterdir()] == ["config.yaml"], "it names a catalog of its own"


def test_a_store_is_linked_from_wherever_the_project_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    list(write_project(Path("campaigns/posts"), "social", "preview", store=Path("campaigns/shop/store")))
    link = tmp_path / "campaigns/posts/store"
    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    assert link.resolve() == tmp_path / "campaigns/shop/store"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file.*Not a directory"):
        list(write_project(tmp_path / "file" / "shop", "shop", "preview"))


def test_git_and_dvc_are_set_up_in_a_folder_of_a_larger_repository_too(tmp_path):
    told = list(write_project(tmp_path / "first", "blank", "preview", with_dvc=True))
    assert {"set up git", "set up DVC"} <= set(told)
    assert (tmp_path / "first/.dvc").is_dir()
    dvc_yaml = (tmp_path / "first/dvc.yaml").read_text()
    assert "- config\n" in dvc_yaml
    assert "- scripts\n" not in dvc_yaml

    told = list(write_project(tmp_path / "first/second", "blank", "preview", with_dvc=True))
    assert "set up git" not in told
    assert (tmp_path / "first/second/.dvc").is_dir()
