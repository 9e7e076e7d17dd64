"""Snakemake's line about the profile that switched the console on is left out, and no other."""

import io
import sys

import pytest

from imagemake.workflow.console.profile_line import leave_out_profile_line

LINE = "Using workflow specific profile profiles/default for setting default command line arguments."


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Returns what a process of Snakemake tells that prints lines on standard error."""
    (tmp_path / "profiles/default").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    def run(*lines, profile="logger: imagemake # few lines\n", argv=("/venv/bin/snakemake", "-n")):
        (tmp_path / "profiles/default/config.yaml").write_text(profile)
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(sys, "argv", list(argv))
        leave_out_profile_line()
        for line in lines:
            print(line, file=sys.stderr)
        assert sys.stderr is stream
        return stream.getvalue().splitlines()

    return run


def test_the_line_is_left_out_and_what_follows_is_told(told):
    assert told(LINE, "imagemake: 4 requests", "", LINE) == ["imagemake: 4 requests", "", LINE]


@pytest.mark.parametrize("argv", [("snakemake", "--verbose"), ("/venv/bin/pytest",)])
def test_it_stays_where_everything_is_shown_and_in_other_programs(told, argv):
    assert told(LINE, argv=argv) == [LINE]


@pytest.mark.parametrize("profile", ["logger: rich\n", "cores: all\n# logger: imagemake\n"])
def test_it_stays_if_the_profile_chose_another_console(told, profile):
    assert told(LINE, profile=profile) == [LINE]


def test_other_first_lines_stay(told):
    assert told("Error: no Snakefile", LINE) == ["Error: no Snakefile", LINE]
    assert told(LINE.replace("profiles/default", "profiles/none")) == [
        LINE.replace("profiles/default", "profiles/none")
    ]
