"""What the command line says about mistakes in it."""

from __future__ import annotations

import pytest

from imagemake import __version__
from imagemake.cli.help_text import wrapped
from imagemake.cli.main import COMMANDS, main


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"imagemake {__version__}\n")


def test_no_command_at_all_shows_the_help(capsys):
    assert "show what a build would make" in told(capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal_of_80_columns_but_for_commands_to_copy(capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if len(line) > 80 and not line.startswith("    ")]
    examples = [line for line in COMMANDS[command][0].EXAMPLES.splitlines() if line.startswith("    ")]
    assert [line for line in lines if line in examples] == examples


def test_paragraphs_and_aligned_lists_are_wrapped_apart():
    text = (
        "One two three\nfour.\n\n  a b  five six\n       seven\n  c    eight\n  nine ten eleven\n    a --command line"
    )
    lines = ["One two three", "four.", "", "  a b  five six", "       seven", "  c    eight", "  nine ten", "  eleven"]
    assert wrapped(text, 16).splitlines() == [*lines, "    a --command line"]


def test_a_misspelled_command_or_value_gets_the_nearest_one(capsys):
    assert told(capsys, "audti").startswith("imagemake: unknown command 'audti'; did you mean 'audit'?\n")
    assert "--format: unknown value 'jso'; did you mean 'json'?" in told(capsys, "ledger", "--format", "jso")


def test_an_unknown_value_without_a_near_one_lists_all(capsys):
    assert "choose from config, manifest, sidecar." in told(capsys, "schema", "x")


@pytest.mark.parametrize(
    "arguments", [("diff", "--nosuch"), ("alerts", "now"), ("inspect",), ("review", "--port", "x")]
)
def test_a_mistake_in_a_command_leads_to_the_help_of_that_command(capsys, arguments):
    words = told(capsys, *arguments)
    assert words.endswith(f"run: imagemake {arguments[0]} --help\n")
    assert "usage:" not in words
