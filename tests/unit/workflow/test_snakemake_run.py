"""What Snakemake's `workflow` object tells, and what is hung onto it."""

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler

from imagemake.core.problems import UserError
from imagemake.workflow.snakemake_run import SnakemakeRun


def workflow_of(prefix="", **more):
    def replace_prefix(path):
        return prefix + path

    return SimpleNamespace(
        modifier=SimpleNamespace(skip_configfile=False, path_modifier=SimpleNamespace(replace_prefix=replace_prefix)),
        execution_settings=SimpleNamespace(no_hooks=False),
        storage_settings=SimpleNamespace(default_storage_provider=None, default_storage_prefix=None),
        global_resources={},
        _onstart=lambda log: more["told"].append("their start"),
        _onsuccess=lambda log: more["told"].append("their end"),
        _onerror=lambda log: None,
    )


class Hooks:
    def __init__(self, told, name, missing=()):
        self.told, self.name, self.lines = told, name, list(missing)

    def begin_run(self):
        self.told.append(f"start of {self.name}")

    def missing(self):
        return self.lines

    def end_run(self, *, crashed):
        self.told.append(f"{'crash' if crashed else 'end'} of {self.name}")


@pytest.mark.parametrize(("prefix", "project"), [("", Path()), ("shop/", Path("shop")), ("a b/é/", Path("a b/é"))])
def test_a_prefix_is_the_folder_of_the_project(prefix, project):
    assert SnakemakeRun(workflow_of(prefix), {}).project == project


def test_a_missing_folder_is_told_with_the_command_that_makes_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        SnakemakeRun(workflow_of("shop/"), {}).campaign()
    assert "imagemake init shop" in capsys.readouterr().err


def test_hooks_of_all_modules_are_called_beside_those_of_the_snakefile(capsys):
    told = []
    workflow = workflow_of(told=told)
    SnakemakeRun(workflow, {}).call_hooks(Hooks(told, "shop"))
    SnakemakeRun(workflow, {}).call_hooks(Hooks(told, "social"))
    workflow._onstart("log")
    workflow._onsuccess("log")
    assert told == ["start of shop", "start of social", "their start", "their end", "end of shop", "end of social"]


@pytest.mark.parametrize("hook", ["_onsuccess", "_onerror"])
def test_the_end_of_a_run_waits_for_no_timer_of_the_scheduler_and_ends_no_other(hook):
    asked, workflow = threading.Event(), workflow_of(told=[])
    scheduler = SimpleNamespace(_open_jobs=SimpleNamespace(release=asked.set))
    JobScheduler._schedule_reevalutation(scheduler, 3600)
    other = threading.Timer(3600, asked.set)
    other.start()
    SnakemakeRun(workflow, {}).call_hooks(Hooks([], "shop"))
    getattr(workflow, hook)("log")
    try:
        timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
        assert {timer.finished.is_set() for timer in timers if timer is not other} <= {True}
        assert not other.finished.is_set()
    finally:
        other.cancel()


def test_missing_images_of_any_module_end_with_an_error_after_the_hooks_of_the_snakefile(capsys):
    told = []
    workflow = workflow_of(told=told)
    SnakemakeRun(workflow, {}).call_hooks(Hooks(told, "shop", ["shop lacks 2 images"]))
    SnakemakeRun(workflow, {}).call_hooks(Hooks(told, "social", ["social lacks 1 image"]))
    with pytest.raises(SystemExit) as end:
        workflow._onsuccess("log")
    assert end.value.code == 1
    assert told == ["their end", "end of shop", "end of social"]
    assert capsys.readouterr().err == "shop lacks 2 images\nsocial lacks 1 image\n"


def test_a_run_without_hooks_is_refused():
    workflow = workflow_of(told=[])
    workflow.execution_settings.no_hooks = True
    with pytest.raises(UserError, match="--no-hooks"):
        SnakemakeRun(workflow, {}).call_hooks(Hooks([], "shop"))


def test_the_lowest_limit_of_several_modules_holds_and_an_option_takes_precedence():
    workflow = workflow_of()
    for most in (8, 4, 6):
        SnakemakeRun(workflow, {}).limit("api_calls", most)
    assert workflow.global_resources["api_calls"].value == 4
    given = workflow_of()
    given.global_resources["api_calls"] = "given"
    SnakemakeRun(given, {}).limit("api_calls", 1)
    assert given.global_resources["api_calls"] == "given"


def test_without_a_shared_disk_no_option_raises_a_limit_and_files_of_the_run_stay_here():
    workflow = workflow_of()
    assert SnakemakeRun(workflow, {}).local("results/a.csv") == "results/a.csv"
    workflow.storage_settings = SimpleNamespace(default_storage_provider="s3", default_storage_prefix="s3://bucket/run")
    workflow.global_resources["api_calls"] = SimpleNamespace(value=100)
    run = SnakemakeRun(workflow, {})
    run.limit("api_calls", 8)
    assert workflow.global_resources["api_calls"].value == 8
    assert run.work_address == "s3://bucket/run"
    assert run.local("results/a.csv").flags == {"local": True}


def test_a_command_without_execution_is_no_run():
    workflow = workflow_of()
    workflow.execution_settings = None
    assert not SnakemakeRun(workflow, {}).is_real


def test_jobs_download_no_storage_plugin_because_their_image_has_it():
    workflow = workflow_of()
    common = SimpleNamespace(auto_deploy_default_storage_provider=True)
    workflow.executor_plugin = SimpleNamespace(name="aws-batch", common_settings=common)
    SnakemakeRun(workflow, {}).prepare_executor()
    assert not common.auto_deploy_default_storage_provider
