"""A warning appears once per run, whichever of its processes finds its cause first."""

import subprocess
import sys

from imagemake.core.told_once import tell_once


def test_a_warning_is_told_once_also_by_the_jobs_of_a_run(capsys, monkeypatch):
    monkeypatch.setenv("IMAGEMAKE_TOLD", "")
    tell_once("one")
    tell_once("two")
    tell_once("one")
    assert capsys.readouterr().err == "Warning: one\nWarning: two\n"
    job = "from imagemake.core.told_once import tell_once; tell_once('one'); tell_once('three')"
    done = subprocess.run([sys.executable, "-c", job], capture_output=True, text=True, check=True)
    assert done.stderr == "Warning: three\n"
