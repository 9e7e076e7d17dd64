"""What a run sweeps."""

from __future__ import annotations

import os
import time

from catalogs import catalog_of

from imagemake.config.campaign import load_campaign
from imagemake.plan.target import Target
from imagemake.store.layout import STORE, WORK
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
