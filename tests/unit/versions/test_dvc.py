"""DVC and git files: the stage declares the files of a release, and no paid file is a stage output."""

from __future__ import annotations

import pytest
import yaml
from folders import REPOSITORY

from imagemake.core.problems import NotReadyError
from imagemake.release.record import FILES, RECORD
from imagemake.store.store import Store
from imagemake.versions import dvc
from imagemake.versions.dvc import OF_THIS_MACHINE, Dvc

STAGES = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]


def settings_of(kind):
    return {path: settings for out in STAGES["build"][kind] for path, settings in out.items()}


def test_the_stage_declares_every_table_of_a_release_and_dvc_deletes_none_before_a_run():
    declared = settings_of("outs") | settings_of("metrics")
    assert declared.keys() == {f"results/{name}" for name in (*FILES, RECORD)}
    assert all(settings["persist"] for settings in declared.values())


def test_what_was_paid_for_is_no_output_of_any_stage():
    outs = [path for stage in STAGES.values() for out in stage.get("outs", ()) for path in out]
    assert not [path for path in outs if path.startswith(("store", "results/images", "results/sheets"))]


def test_the_stage_that_builds_is_found_by_what_it_makes(tmp_path):
    assert Dvc(REPOSITORY).build_stage() == "build"
    assert Dvc(tmp_path).build_stage() is None
    (tmp_path / "dvc.yaml").write_text(
        "stages: {x: {cmd: y, outs: [other]}, z: {cmd: y, outs: [results/manifest.csv]}}"
    )
    assert Dvc(tmp_path).build_stage() == "z"


def test_a_project_without_dvc_is_told_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setattr("imagemake.versions.dvc.find_spec", lambda name: None)
    with pytest.raises(NotReadyError, match="DVC is not installed") as told:
        Dvc(tmp_path).track()
    assert "imagemake[dvc]" in told.value.in_words()


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Track a store of some images as if three were many, and return the folders of the store that DVC was given."""
    monkeypatch.setattr(dvc, "LARGE", 3)
    commands = []
    monkeypatch.setattr(Dvc, "run", lambda self, *command: commands.append(command))
    for name in ("journal", *OF_THIS_MACHINE):
        (tmp_path / "store" / name).mkdir(parents=True)

    def track(n):
        for number in range(n):
            Store(tmp_path / "store").raw.put(f"{number:x}" * 64, b"image", durable=False)
        commands.clear()
        Dvc(tmp_path).track()
        return commands

    return track


def test_a_small_store_is_one_folder_to_dvc(added):
    assert added(3) == [("add", "store")]


def test_each_sixteenth_of_a_large_store_is_a_folder_to_dvc_and_nothing_of_this_machine_is(added, tmp_path):
    (tmp_path / "store.dvc").touch()
    apart = ("add", "store/journal", *(f"store/raw/{number}" for number in range(4)))
    assert added(4) == [("remove", "store.dvc"), apart]


def test_a_store_stays_apart_once_it_was_large(added, tmp_path):
    added(1)
    (tmp_path / "store" / "raw" / "0.dvc").touch()
    assert added(1) == [("add", "store/journal", "store/raw/0")]


def test_dvc_ignores_what_is_of_this_machine(added):
    lines = (REPOSITORY / ".dvcignore").read_text().splitlines()
    assert {line for line in lines if line.startswith("/store/")} == {f"/store/{name}" for name in OF_THIS_MACHINE}
