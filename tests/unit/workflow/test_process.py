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


def test_jobs_look_for_no_plug_ins_of_pydantic_unless_the_user_says_so(tmp_path, monkeypatch):
    def told():
        command = job_prefix(tmp_path).format() + 'printf "%s" "$PYDANTIC_DISABLE_PLUGINS"'
        return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout

    monkeypatch.delenv("PYDANTIC_DISABLE_PLUGINS", raising=False)
    assert told() == "__all__"
    monkeypatch.setenv("PYDANTIC_DISABLE_PLUGINS", "")
    assert told() == ""
