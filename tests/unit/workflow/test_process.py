"""The environment that jobs share with the process that starts them."""

import os
import subprocess

from imagemake.workflow.forked_script import ADDRESS
from imagemake.workflow.process import job_prefix, use_this_python


def test_folders_with_any_name_reach_jobs_as_they_are(tmp_path, monkeypatch):
    scripts = tmp_path / "{x} $HOME 'é'"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "{y}"))
    command = job_prefix(scripts).format() + 'printf "%s" "$IMAGEMAKE_SCRIPTS:$PYTHONPATH"'
    told = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout.split(":")
    assert told[0] == str(scripts)
    assert told[2] == str(tmp_path / "{y}")


def test_jobs_look_for_no_plug_ins_of_pydantic_unless_the_user_says_so(tmp_path, monkeypatch):
    def told():
        command = job_prefix(tmp_path).format() + 'printf "%s" "$PYDANTIC_DISABLE_PLUGINS"'
        return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout

    monkeypatch.delenv("PYDANTIC_DISABLE_PLUGINS", raising=False)
    assert told() == "__all__"
    monkeypatch.setenv("PYDANTIC_DISABLE_PLUGINS", "")
    assert told() == ""


def test_jobs_of_a_run_that_another_run_started_are_no_forks_of_that_one(monkeypatch):
    monkeypatch.setenv(ADDRESS, "/of/another/run")
    monkeypatch.setenv("PATH", os.environ["PATH"])  # it is changed as well
    use_this_python()
    assert ADDRESS not in os.environ
