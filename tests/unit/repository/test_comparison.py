"""The comparison with other tools tells where they are ahead, and notices when a build gets slower."""

import json
import subprocess
import sys

import pytest
from folders import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "bench"))
from comparison import quick
from comparison.page import ahead, table

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    end = time.process_time() + 0.3
    while time.process_time() < end: pass
    open(sys.argv[1], "w").close()
    time.sleep(60)
while not os.path.exists(sys.argv[1]): time.sleep(0.02)
"""
MEASURE = """
import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from comparison.processes import Runner
runner = Runner([])
used = runner.run([sys.executable, "-c", sys.argv[2], sys.argv[3] + "/done"], Path(sys.argv[3]) / "log", {})
left = len(list(runner._processes()))
runner.kill_all()
print(used.cpu_s, left, len(list(runner._processes())))
"""


def kept(cpu_s, **edited):
    done = {"cpu_s": cpu_s, "peak_mb": 100.0, "status": 0, "billed_again": 0, "lost": 0}
    return {"load": [1.0, 2.0], "cases": {"first run": done, "one row edited": {**done, "new_calls": 1, **edited}}}


def test_whoever_needs_less_than_imagemake_is_named_in_the_first_table():
    results = {("script", 10): kept(10.0), ("ours", 10): kept(12.0)}
    results["pixeltable", 10] = kept(11.0)
    results["data-designer", 10] = kept(13.0)
    assert ahead(results, 10)[0] == ("first run, CPU", "1.20", "script by hand 1.00, Pixeltable 1.10")


def test_a_tool_that_misses_an_edit_is_not_ahead_by_it():
    results = {("script", 10): kept(10.0), ("ours", 10): kept(9.0)}
    results["data-designer", 10] = kept(1.0, new_calls=0)
    lines = {case: others for case, _, others in ahead(results, 10)}
    assert lines["one row edited, CPU"] == "nobody"
    assert table(results, 10)[2][3] == "not noticed"


@pytest.mark.parametrize(("now", "fails"), [(2.9, False), (3.1, True)])
def test_the_quick_comparison_fails_if_a_ratio_is_half_as_large_again(monkeypatch, tmp_path, now, fails):
    (tmp_path / "ratios.json").write_text(json.dumps({"first run": 2.0}))
    monkeypatch.setattr(quick, "KEPT", tmp_path / "ratios.json")
    monkeypatch.setattr(quick, "ratios", lambda: {"first run": now})
    if fails:
        with pytest.raises(SystemExit, match="worse by half: first run"):
            quick.quick(keep=False)
    else:
        quick.quick(keep=False)


@pytest.mark.skipif(sys.platform != "linux", reason="the comparison runs on Linux")
def test_a_server_that_a_tool_leaves_behind_counts_and_is_killed(tmp_path):
    command = [sys.executable, "-c", MEASURE, str(REPOSITORY / "bench"), DAEMON, str(tmp_path)]
    cpu_s, left, after = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert float(cpu_s) >= 0.3
    assert (left, after) == ("1", "0")
