"""The commands that pages print exist, with the options that they are shown with."""

import re
import shlex
import tomllib

import pytest
from dvc.cli import DvcParserError
from dvc.cli.parser import get_main_parser
from folders import REPOSITORY

from imagemake.cli.main import _parser

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
FENCED = re.compile(r"^ *```(?P<language>\w*)\n(?P<text>.*?)^ *```", re.DOTALL | re.MULTILINE)
IN_TEXT = re.compile(r"`(?P<command>(?:imagemake|snakemake|dvc|pip install) [^`]+)`")
COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )*(?P<program>imagemake|snakemake|dvc|pip) (?P<words>.*)")
USAGE = re.compile(r" \[[-A-Z]| WHAT$|--logger NAME")  # such as `snakemake [TARGET]`: words that stand for others
SHELL = ("", "sh", "console")
TARGETS = re.compile(r"all|pilot|small|results/images/\S+")
EXTRAS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]


def commands_of(text):
    """Commands of a page, from blocks for a shell and from its sentences; continued lines are joined."""
    lines = [match["command"] for match in IN_TEXT.finditer(FENCED.sub("", text))]
    for block in FENCED.finditer(text):
        if block["language"] in SHELL:
            lines += block["text"].replace("\\\n", " ").splitlines()
    found = [part.strip() for line in lines for part in re.split(r" (?:&&|\|\|?|;) ", line.strip().removeprefix("$ "))]
    return [command for command in found if COMMAND.match(command) and not USAGE.search(command)]


def words_of(command):
    words = shlex.split(COMMAND.match(command)["words"].replace("{", "").replace("}", ""), comments=True)
    return [word for word in words if not re.match(r"[0-9]?>", word)]


def parsed(parser, words):
    try:
        return parser.parse_args(words)
    except (SystemExit, DvcParserError) as end:
        return getattr(end, "code", None) == 0 or pytest.fail(f"no such command: {words}")


@pytest.fixture(scope="module")
def snakemake_parser():
    from snakemake.cli import get_argument_parser

    return get_argument_parser()


def check(command, snakemake_parser):
    program, words = COMMAND.match(command)["program"], words_of(command)
    if program == "pip":
        for extras in re.findall(r"imagemake\[([^\]]+)\]", command):
            assert set(extras.split(",")) <= set(EXTRAS), command
    elif program == "snakemake":
        targets = getattr(parsed(snakemake_parser, words), "targets", None) or ()
        assert [target for target in targets if not TARGETS.fullmatch(target)] == [], command
    elif words != ["COMMAND", "--help"]:
        parser = get_main_parser() if program == "dvc" else _parser()
        parsed(
            parser, [*words, "--help"] if len(words) == 1 else words
        )  # a sentence names a command without its options


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_on_a_page_exists(page, snakemake_parser):
    for command in commands_of(page.read_text(encoding="utf-8")):
        check(command, snakemake_parser)


def test_pages_have_such_commands():
    assert sum(len(commands_of(page.read_text(encoding="utf-8"))) for page in PAGES) > 100


@pytest.mark.parametrize(
    "text",
    [
        "`imagemake ledgers`",
        "```\n$ imagemake ledger --by day && imagemake diff --htlm\n```",
        "`snakemake --nope`",
        "`snakemake pilots`",
        "`pip install 'imagemake[s4]'`",
        "`dvc push --fast`",
    ],
)
def test_a_command_that_does_not_exist_is_found(text, snakemake_parser):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        for command in commands_of(text):
            check(command, snakemake_parser)
