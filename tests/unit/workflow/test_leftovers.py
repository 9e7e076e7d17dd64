"""What a run sweeps."""

from __future__ import annotations

import os
import time

from catalogs import catalog_of

from imagemake.config.campaign import load_campaign
from imagemake.core.files import OLD_S
from imagemake.plan.target import Target
from imagemake.store.layout import STORE, WORK, swept_file
from imagemake.workflow.leftovers import PLANS_S, sweep_leftovers

CAMPAIGN = load_campaign({"campaign": "c", "catalog": "c.csv", "prompt": "{product}", "name": "{product}"})


def planned(product, made_at):
    return Target(CAMPAIGN, catalog_of([{"product": product}]), "all", made_at).write(WORK)[1]


def test_old_plans_go_with_catalogs_that_no_later_plan_has(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    STORE.mkdir()
    old = [planned(product, "yesterday") for product in ("mug", "cup")]
    for path in old[0].parent.iterdir():
        os.utime(path, (time.time() - PLANS_S - 60,) * 2)
    new = planned("mug", "today")
    sweep_leftovers()
    kept = sorted(path.name for path in new.parent.iterdir())
    assert len(kept) == 2, "a plan and its catalog"
    assert Target.read(new).catalog.data == catalog_of([{"product": "mug"}]).data


def test_what_one_run_must_leave_the_next_one_sweeps_although_its_folder_did_not_change(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    WORK.mkdir()
    (STORE / "raw").mkdir(parents=True)
    sweep_leftovers()
    os.utime(swept_file(WORK), (time.time() - 100,) * 2)
    half = STORE / "raw" / ".writing-another-machine"
    half.touch()
    os.utime(half.parent, (time.time() - 50,) * 2)
    sweep_leftovers()
    assert half.exists(), "it may still be written"
    os.utime(half, (time.time() - OLD_S - 60,) * 2)
    sweep_leftovers()
    assert not half.exists()


def test_a_folder_that_did_not_change_since_the_last_run_is_not_looked_at(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    WORK.mkdir()
    (STORE / "raw").mkdir(parents=True)
    sweep_leftovers()
    half = STORE / "raw" / ".writing-another-machine"
    half.touch()
    for path in (half, half.parent):
        os.utime(path, (time.time() - OLD_S - 60,) * 2)
    sweep_leftovers()
    assert half.exists()
