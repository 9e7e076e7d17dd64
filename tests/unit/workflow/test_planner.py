"""What a planner holds once its targets are planned."""

import subprocess
import sys

# A process of its own, since a run takes signals and the end of its process.
PROGRAM = """
import gc
from pathlib import Path
from imagemake.config.campaign import load_campaign
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.request import Request
from imagemake.plan.state import State
from imagemake.store.items import read_table
from imagemake.workflow.planner import Planner

def held():
    gc.collect()
    return [sum(isinstance(one, kind) for one in gc.get_objects()) for kind in (Row, Request, State)]

Path("c.csv").write_text("sku\\n" + "\\n".join(f"s{place}" for place in range(30)))
sections = {"campaign": "x", "catalog": "c.csv", "prompt": "{sku}", "name": "{sku}", "pilot": {"size": 5}}
planner = Planner(load_campaign({**sections, "model": {"provider": "preview", "name": "preview-1"}}))
batches = {scope: planner.plan(scope).batches for scope in ("pilot", "all")}
print(*held())
planner.begin_run()
print(*held())
names = [item.name for batch in batches["all"] for item in read_table(Path("work/batches", f"{batch}.jsonl"))]
print(set(batches["pilot"]) < set(batches["all"]), len(names), len({*names}))
"""


def test_while_jobs_run_for_days_the_planner_holds_no_request_and_its_targets_share_batches(tmp_path):
    run = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.stdout.splitlines() == ["30 0 0", "0 0 0", "True 30 30"], run.stderr
