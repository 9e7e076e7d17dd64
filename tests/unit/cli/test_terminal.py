"""A command ends with its reader, such as `head`, and says nothing about it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagemake.cli.main import main
from imagemake.cli.terminal import Progress, end_with_reader
from imagemake.core.errors import ExitCode

RUN = [sys.executable, "-c", "from imagemake.cli.main import main; main()"]


@pytest.mark.parametrize("command", [["doctor", "--offline"], ["schema", "config"]])
def test_a_command_whose_reader_has_gone_ends_quietly_with_141(command, tmp_path):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*RUN, *command], stdout=write, stderr=subprocess.PIPE, cwd=tmp_path, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_reader_that_stays_gets_all_of_it(capsys):
    with pytest.raises(SystemExit) as end:
        main(["schema", "config"])
    assert end.value.code == ExitCode.OK
    assert capsys.readouterr().out.endswith("}\n")


def test_another_pipe_that_breaks_is_not_taken_for_the_reader():
    with Path(os.devnull).open("w") as out, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        with pytest.raises(BrokenPipeError), end_with_reader():
            raise BrokenPipeError


def test_progress_tells_a_log_in_lines_every_few_seconds(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("imagemake.cli.terminal.time.monotonic", lambda: now[0])
    progress = Progress()
    for now[0] in range(12):
        progress.tell(f"{now[0]} of 12 files")
    progress.end()
    assert capsys.readouterr().err == "imagemake: 5 of 12 files\nimagemake: 10 of 12 files\n"


def test_progress_stays_in_one_line_of_a_narrow_terminal(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("imagemake.cli.terminal.time.monotonic", lambda: now[0])
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "10")
    progress = Progress()
    for now[0] in (1.0, 2.0):
        progress.tell(f"{now[0]:.0f} of 12 files")
    progress.end()
    assert capsys.readouterr().err == "\r1 of 12 f\r2 of 12 f\r         \r"
