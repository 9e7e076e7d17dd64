"""From Snakemake's events to what a run shows, without Snakemake."""

import json
import logging
import os
import subprocess
import sys
import time

import pytest
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.tests import MockOutputSettings

from imagemake.store.progress import JobProgress
from imagemake.workflow.console.console import current
from imagemake.workflow.console.outlook import Outlook
from imagemake.workflow.console.screen import Screen
from imagemake.workflow.installed import FOLDER
from snakemake_logger_plugin_imagemake import LogHandler


def record(event=None, text="", level=logging.INFO, **values):
    made = logging.LogRecord("snakemake.logging", level, "", 0, text, None, None)
    made.__dict__.update(values, event=event)
    return made


class Run:
    """Snakemake's side of a run: sends events."""

    def __init__(self, folder, **settings):
        self.folder = folder
        common = MockOutputSettings()
        common.printshellcmds = False
        for name, value in settings.items():
            setattr(common, name, value)
        self.handler = LogHandler(common, None)
        self.number = 0

    def tell(self, *args, **values):
        self.handler.handle(record(*args, **values))

    def start(self, **outlook):
        self.tell(LogEvent.WORKFLOW_STARTED, cwd=str(self.folder))
        current().begin(Outlook(**outlook))

    def job(self, rule, log="", output="x"):
        self.number += 1
        path = self.folder / "logs" / rule / "job.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(log)
        logs = [str(path.relative_to(self.folder))]
        self.tell(LogEvent.JOB_INFO, jobid=self.number, rule_name=rule, output=[output], log=logs)
        return self.number

    def finish(self, *args, **values):
        self.tell(LogEvent.JOB_FINISHED, job_id=self.job(*args, **values))

    def error(self, kind, message):
        self.tell(LogEvent.ERROR, f"{kind}:\n{message}", logging.ERROR, exception=kind)

    def fail(self, *args, **values):
        number = self.job(*args, **values)
        self.error("RuleException", "CalledProcessError in file x")
        self.tell(LogEvent.JOB_ERROR, "Error", logging.ERROR, jobid=number, rule_name=args[0], rule_msg=None)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = []

    def made(**settings):
        runs.append(Run(tmp_path, **settings))
        return runs[-1]

    yield made
    for one in runs:
        one.handler.close()


def test_tables_of_jobs_are_not_shown_and_the_end_is(run, capsys):
    one = run()
    one.start(wanted=2)
    one.tell(LogEvent.RUN_INFO, "Job stats:\njob count")
    one.tell(None, "Select jobs to execute...")
    one.finish("generate", log="generate-1: working\n")
    one.finish("release", log="imagemake: 2 of 2 images are in results/images/\n  Success rate 100%\n")
    one.handler.close()
    assert capsys.readouterr().err == "imagemake: 2 of 2 images are in results/images/\n  Success rate 100%\n"


def test_a_failed_job_tells_its_own_error_once_and_how_to_go_on(run, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/bin/snakemake", "pilot", "--cores", "2"])
    one = run()
    one.start(wanted=2)
    for _ in range(3):
        one.fail("generate", log="Warning: slow\nHTTP 401: no such key\n  Set OPENAI_API_KEY.\n")
    one.tell(None, "Exiting because a job execution failed. Look below for error messages", logging.ERROR)
    one.error("WorkflowError", "At least one job did not complete successfully.")
    one.handler.close()
    assert capsys.readouterr().err.splitlines() == [
        "Warning: slow",
        "Failed: generate: HTTP 401: no such key. Set OPENAI_API_KEY. (logs/generate/job.log)",
        "imagemake: 3 jobs failed. No image that arrived is lost. To go on, run again:",
        "  snakemake pilot --cores 2",
        "  Snakemake's log: logs/snakemake.log",
    ]


def test_that_files_of_the_package_are_not_sent_to_jobs_is_no_warning(run, capsys):
    one = run()
    one.start(wanted=2)
    for path in (os.path.relpath(FOLDER / "rules" / "generate.smk"), "../mine.smk"):
        one.tell(None, f"Ignoring source file {path}! Only files relative to", logging.WARNING)
    one.handler.close()
    assert capsys.readouterr().err.splitlines() == ["Ignoring source file ../mine.smk! Only files relative to"]


def test_a_warning_is_shown_while_its_job_still_runs_and_only_once(run, capsys, monkeypatch):
    monkeypatch.setattr("imagemake.workflow.console.console.LOOK_EVERY_S", 0.02)
    one = run()
    one.start(wanted=2)
    number = one.job("generate", log="generate-1: Warning: the disk is full\n")
    told, begin = "", time.monotonic()
    while not told and time.monotonic() - begin < 10:
        time.sleep(0.02)
        told = capsys.readouterr().err
    assert told == "Warning: the disk is full\n"
    one.tell(LogEvent.JOB_FINISHED, job_id=number)
    assert capsys.readouterr().err == ""


def test_what_snakemake_itself_finds_wrong_is_shown(run, capsys):
    one = run()
    one.tell(LogEvent.WORKFLOW_STARTED, cwd=str(one.folder))
    one.error("MissingRuleException", "No rule to produce x")
    one.tell(None, "The disk is slow.", logging.WARNING)
    one.tell(None, "The disk is slow.", logging.WARNING)
    told = capsys.readouterr().err
    assert told == "MissingRuleException:\nNo rule to produce x\nThe disk is slow.\n"


def test_a_target_that_does_not_exist_gets_the_nearest_one(run, capsys):
    one = run()
    one.tell(LogEvent.WORKFLOW_STARTED, cwd=str(one.folder))
    hint = "(if you use input functions make sure that they don't raise unexpected exceptions)."
    for target in ("pilott", "results/imges/a.jpg"):
        one.error("MissingRuleException", f"No rule to produce {target} {hint}")
    told = capsys.readouterr().err
    assert "pilott: there is no such target.\n  Did you mean 'pilot'? Targets are all" in told
    assert "results/imges/a.jpg: there is no such target.\n  Targets are all" in told


def test_a_list_of_rules_is_shown_because_nothing_is_executed(run, capsys):
    one = run()
    one.tell(None, "generate")
    assert capsys.readouterr().err == "generate\n"


@pytest.mark.parametrize("option", ["verbose", "debug_dag", "printshellcmds"])
def test_who_asks_for_more_gets_all_that_snakemake_shows(run, capsys, option):
    one = run(**{option: True})
    assert not one.handler.writes_to_stream  # so that Snakemake adds its own handler
    one.tell(LogEvent.WORKFLOW_STARTED, cwd=str(one.folder))
    one.tell(None, "Select jobs to execute...")
    assert capsys.readouterr().err == ""
    assert current() is None


def test_the_progress_of_running_and_ended_jobs_is_counted_and_that_of_earlier_runs_is_not(run, tmp_path):
    one = run()
    one.start(wanted=30, to_generate=30)
    JobProgress(tmp_path / "work", tmp_path / "work/generated/old.jsonl", 9).end(done=9)
    table = tmp_path / "work/generated/generate-1.jsonl"
    one.job("shop_generate", output="work/generated/generate-1.jsonl")  # as a module calls it
    first = JobProgress(tmp_path / "work", table, 20)
    first.end(done=12, cost_usd=0.5)
    assert current()._standing().generated == 12
    first.end(done=20, cost_usd=0.9)
    one.tell(LogEvent.JOB_FINISHED, job_id=one.number)
    first.end(done=99)
    found = current()._standing()
    assert (found.generated, found.cost_usd, found.wanted) == (20, 0.9, 30)


def test_a_message_of_a_server_cannot_command_the_terminal(capsys):
    Screen(sys.stderr).say("HTTP 500: \x1b[2J\x1b]0;owned\x07 x\r\n  y\tz")
    assert capsys.readouterr().err == "HTTP 500: ?[2J?]0;owned? x?\n  y\tz\n"


def test_jobs_write_to_the_log_while_lines_of_this_process_reach_the_terminal_in_order(tmp_path):
    program = """
import logging, os, subprocess, sys
from pathlib import Path
from imagemake.workflow.console.screen import Takeover
takeover = Takeover(Path("log"), lambda: takeover.screen.say("before"))
subprocess.run(["sh", "-c", "echo of a job >&2"])
print("one", "two", file=sys.stderr)
sys.stderr.write("not ended")
takeover.end()
subprocess.run(["sh", "-c", "echo after >&2"])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == "before\none two\nbefore\nnot ended\nafter\n"
    assert (tmp_path / "log").read_text() == "of a job\n"


def test_two_threads_that_print_do_not_mix_their_lines(tmp_path):
    program = """
import sys, threading
from pathlib import Path
from imagemake.workflow.console.screen import Takeover
takeover = Takeover(Path("log"), lambda: None)
threads = [threading.Thread(target=lambda c=c: [print(c * 9, file=sys.stderr) for _ in range(200)]) for c in "ab"]
for thread in threads: thread.start()
for thread in threads: thread.join()
takeover.end()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(done.stderr.splitlines()) == {"a" * 9, "b" * 9}
    assert len(done.stderr.splitlines()) == 400


def test_snakemake_finds_the_plug_in_without_importing_what_plans(tmp_path):
    program = """
import json, sys
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry
found = LoggerPluginRegistry().is_installed("imagemake")
print(json.dumps([found, [name for name in ("imagemake.config.campaign", "numpy", "PIL") if name in sys.modules]]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [True, []]


def test_a_live_line_replaces_itself_and_lines_stay_above_it():
    reading, writing = os.openpty()
    erase = "\r\x1b[2K"
    expected = f"1 of 9 done{erase}2 of 9 done{erase}Warning: x\r\n2 of 9 done{erase}"
    with os.fdopen(writing, "w") as terminal:
        screen = Screen(terminal)
        assert screen.is_terminal
        screen.show("1 of 9 done")
        screen.show("2 of 9 done")
        screen.say("Warning: x")
        screen.show("")
        shown = ""
        while len(shown) < len(expected):  # a read may return less
            shown += os.read(reading, 1000).decode()
    os.close(reading)
    assert shown == expected


def test_a_job_that_succeeds_when_it_is_tried_again_does_not_count_as_failed(run, capfd):
    one = run()
    one.start()
    one.fail("generate", "Killed.")
    one.number -= 1  # Snakemake starts it again under the same number
    one.finish("generate")
    one.handler.close()
    told = capfd.readouterr().err
    assert "Failed: generate: Killed." in told
    assert "To go on, run again" not in told
