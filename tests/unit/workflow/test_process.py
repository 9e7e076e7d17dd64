"""The environment that jobs share with the process that starts them."""

import subprocess

from imagemake.workflow.process import job_prefix


def test_folders_with_any_name_reach_jobs_as_they_are(tmp_path, monkeypatch):
    scripts = tmp_path / "{x} $HOME 'é'"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "{y}"))
    command = job_prefix(scripts).format() + 'printf "%s" "$IMAGEMAKE_SCRIPTS:$PYTHONPATH"'
    told = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout.split(":")
    assert told[0] == str(scripts)
    assert told[2] == str(tmp_path / "{y}")
