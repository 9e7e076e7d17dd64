"""Tests start Snakemake in forks of a process that has its imports: do those do what a start does?"""

from __future__ import annotations

import subprocess

import pytest
from workflow.project import ENVIRONMENT, warm_python


def test_a_warm_start_tells_and_returns_what_a_start_of_a_user_does(built):
    def cold(*arguments):
        command = built.command(*arguments)
        return subprocess.run(
            command, cwd=built.folder, env=built.environment(), capture_output=True, text=True, check=False
        )

    def told(done):
        return done.returncode, done.stdout, done.stderr

    built.edit_row(1, product="teapot")
    assert told(built.snakemake("-n")) == told(cold("-n"))
    built.write_config(unheard_of=1)
    assert told(built.snakemake(expect=2)) == told(cold())


def test_a_program_that_takes_too_long_is_killed_and_the_next_one_runs(tmp_path):
    warm = warm_python()
    with pytest.raises(TimeoutError, match="imagemake --help takes longer"):
        warm.run("imagemake", ["--help"], tmp_path, ENVIRONMENT, timeout_s=0)
    assert warm.run("imagemake", ["--help"], tmp_path, ENVIRONMENT, timeout_s=60).stdout.startswith("usage: imagemake")
