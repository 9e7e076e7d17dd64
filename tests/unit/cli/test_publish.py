"""Publishing to a folder that is written as a path."""

from pathlib import Path

import pytest
from release_folders import an_image, with_image, write_release

from imagemake.cli.main import main

CONFIG = "campaign: Mugs\ncatalog: config/catalog.csv\nprompt: A mug\nname: '{sku}'\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "a project"
    (folder / "config").mkdir(parents=True)
    (folder / "config/config.yaml").write_text(CONFIG)
    write_release(folder / "results", [with_image("mug", an_image())])
    monkeypatch.chdir(folder)
    return folder


def publish(*options, expect=0):
    with pytest.raises(SystemExit) as end:
        main(["publish", *options])
    assert end.value.code == expect


def published(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("destination", ["{tmp}/shop", "{tmp}/shop/", "../shop", "./x/../../shop", "file://{tmp}/shop"])
def test_a_folder_is_published_to_by_its_path(project, tmp_path, destination, capsys):
    publish(destination.format(tmp=tmp_path))
    found = published(tmp_path / "shop")
    assert "manifest.csv" in found
    assert any(name.startswith("images/mug") for name in found)
    publish(str(tmp_path / "shop"))
    assert "nothing to send" in capsys.readouterr().out


def test_a_folder_can_be_the_default(project, tmp_path):
    (project / "config/config.yaml").write_text(f"{CONFIG}publish:\n  url: {tmp_path}/shop\n")
    publish()
    assert "manifest.csv" in published(tmp_path / "shop")


def test_a_path_that_could_be_a_bucket_is_told_how_to_write_it(project, capsys):
    publish("shop/catalog", expect=2)
    assert "destination: the address has no scheme" in (told := capsys.readouterr().err)
    assert "absolute path of a folder" in told
    assert not Path("shop").exists()
