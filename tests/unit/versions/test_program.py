"""What users see when DVC or git fails: its own last words, its status, and what to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from imagemake.core.errors import ExitCode
from imagemake.core.problems import NotReadyError
from imagemake.versions import program
from imagemake.versions.dvc import Dvc
from imagemake.versions.git import Git
from imagemake.versions.program import SHOWN_LINES, failure_of, last_words, run_aloud

SECRET = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEX"


@pytest.fixture
def git_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.com")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def test_the_last_words_are_printable_and_hold_no_secret(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    said = (
        b"\x1b[31mERROR\x1b[0m: key "
        + SECRET.encode()
        + b" refused\r\n\n 50%|###\r 99%|####\r\tby \x07\xff \xe2\x80\xae"
    )
    assert last_words(said) == "ERROR: key [secret] refused\n     by \\x07\N{REPLACEMENT CHARACTER} \\u202e"
    assert last_words(b"") == "it wrote no message"
    many = last_words(b"\n".join(b"line %d" % n for n in range(1000))).split("\n")
    assert len(many) == SHOWN_LINES
    assert many[-1] == "    line 999"


def test_a_failure_tells_the_command_the_status_and_the_remedy():
    error = failure_of("dvc push", 255, b"ERROR: no remote", "Set one.")
    assert error.in_words() == "dvc push: it ended with status 255: ERROR: no remote\n  Set one."
    assert error.exit_code is ExitCode.NOT_READY
    assert "signal 9 ended it" in str(failure_of("dvc push", -9, b"", "Set one."))


@pytest.mark.parametrize(("on_a_terminal", "folder"), [(False, "{x}"), (True, "x")])
def test_dvc_says_why_it_failed(tmp_path, monkeypatch, capsys, on_a_terminal, folder):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: on_a_terminal)
    (tmp_path / folder).mkdir()
    with pytest.raises(NotReadyError, match="dvc push: it ended with status 253: ERROR: you are not inside") as caught:
        Dvc(tmp_path / folder).run("push")
    assert ("ERROR: you are not inside" in capsys.readouterr().err) == on_a_terminal
    # DVC formats the path of its cache: "unexpected error - 'x'"
    assert ("dvc cache dir --local FOLDER" in caught.value.remedy) == (folder == "{x}")


def test_what_a_program_writes_on_a_terminal_passes_without_secrets(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    code = f"import sys\nfor one in '{SECRET}\\rend\\n':\n    print(one, end='', file=sys.stderr, flush=True)"
    status, said = run_aloud("it", [sys.executable, "-c", code], tmp_path, os.environ)
    assert (status, capsys.readouterr().err) == (0, "[secret]\rend\n")
    assert said.endswith(b"end\n")


def test_a_log_gets_the_last_line_of_a_program_now_and_then(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(program, "TELL_EVERY_S", 0)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    code = f"import sys\nprint('one\\n 10%|# {SECRET}\\r 20%|## {SECRET}', end='', file=sys.stderr)"
    assert run_aloud("it", [sys.executable, "-c", code], tmp_path, os.environ)[0] == 0
    assert capsys.readouterr().err == "imagemake: it: 20%|## [secret]\n"


# The first program ends by itself at Ctrl-C, and the second one does not.
@pytest.mark.parametrize("at_ctrl_c", ["default_int_handler", "SIG_IGN"])
def test_after_ctrl_c_a_program_has_ended_and_the_user_hears_how_to_go_on(tmp_path, at_ctrl_c):
    inner = f"""
import os, signal, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.{at_ctrl_c})
Path("pid").write_text(str(os.getpid()))
Path("pid").rename("ready")
time.sleep(60)
"""
    outer = f"""
import os, sys
from pathlib import Path
from imagemake.core.errors import exit_on_error
from imagemake.versions import program
program.END_S = 0.5
with exit_on_error():
    program.run_aloud("it", [sys.executable, "-c", {inner!r}], Path(), os.environ)
"""
    command = [sys.executable, "-c", outer]
    run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not (tmp_path / "ready").exists():
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    _, told = run.communicate(timeout=60)
    assert run.returncode == 130
    assert told == "\nStopped. Nothing was lost. To go on, run the same command again.\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "ready").read_text()), 0)


def test_git_says_why_a_commit_failed(git_folder):
    hook = git_folder / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho 'commits need a ticket' >&2\nexit 3\n")
    hook.chmod(0o755)
    (git_folder / "a").write_text("a")
    with pytest.raises(NotReadyError, match=r"git commit: it ended with status 1: commits need a ticket"):
        Git(git_folder).commit([git_folder / "a"], "a")


def test_a_broken_index_is_no_clean_project(git_folder):
    (git_folder / ".git" / "index").write_bytes(b"no index")
    with pytest.raises(NotReadyError, match=r"git status: it ended with status 128: [^$]*index file"):
        Git(git_folder).changed()


def test_why_there_is_no_repository_is_in_gits_words(tmp_path, git_folder, monkeypatch):
    assert Git(git_folder).obstacle() is None
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert "not a git repository" in Git(git_folder).obstacle()
    monkeypatch.setenv("PATH", "")
    assert Git(git_folder).obstacle() == "git is not installed"
