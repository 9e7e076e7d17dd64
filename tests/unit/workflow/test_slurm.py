"""How a run on Slurm notices that its jobs have ended, with or without accounting records."""

import sys
from types import SimpleNamespace

import pytest

from imagemake.core.problems import UserError
from imagemake.workflow.slurm import ask_who_knows


@pytest.fixture
def settings():
    """The plug-in's settings, as it has them where `sacct` is installed."""
    return SimpleNamespace(status_command="sacct", init_seconds_before_status_checks=15)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Puts programs of Slurm onto the path, and nothing else."""

    def programs(**scripts: str) -> None:
        for name, script in scripts.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return programs


def test_accounting_is_asked_where_there_is_some(cluster, settings):
    cluster(sacct="exit 0")
    ask_who_knows(settings)
    assert settings.status_command == "sacct"


@pytest.mark.parametrize("sacct", [{"sacct": "echo Slurm accounting storage is disabled >&2; exit 1"}, {}])
def test_the_queue_is_asked_where_there_is_no_accounting(cluster, settings, sacct):
    cluster(scontrol="echo 'MinJobAge               = 300 sec'", **sacct)
    ask_who_knows(settings)
    assert settings.status_command == "squeue"


@pytest.mark.parametrize(("age_s", "first_pause_s"), [(60, 15), (300, 120)])
def test_a_run_that_would_never_learn_of_the_end_of_its_jobs_is_refused(cluster, settings, age_s, first_pause_s):
    settings.init_seconds_before_status_checks = first_pause_s
    cluster(sacct="exit 1", scontrol=f"echo 'MinJobAge = {age_s} sec'")
    with pytest.raises(UserError, match="forgets an ended job after"):
        ask_who_knows(settings)


def test_the_queue_is_asked_where_slurm_forgets_no_job(cluster, settings, monkeypatch):
    plugin = SimpleNamespace(get_min_job_age=lambda: 0)  # which makes it ask `sacct`
    monkeypatch.setitem(sys.modules, "snakemake_executor_plugin_slurm", plugin)
    cluster(sacct="exit 1", scontrol="echo 'MinJobAge               = 0 sec'")
    ask_who_knows(settings)
    assert settings.status_command == "squeue"
    assert plugin.get_min_job_age() >= 3 * settings.init_seconds_before_status_checks
