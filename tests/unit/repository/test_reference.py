"""The reference is what the code says: its generated parts are current, and what is written by hand is true."""

import re
import shlex

import pytest
from folders import REPOSITORY
from reference_pages import PARTS, WHOLE, pages
from reference_pages.commands import parser_of
from reference_pages.markdown import with_generated

from imagemake.cli.main import COMMANDS
from imagemake.config.campaign import CONFIG, load_campaign
from imagemake.config.load import run_config
from imagemake.config.models import load_models
from imagemake.release.manifest.row import MANIFEST_VERSION

REFERENCE = REPOSITORY / "docs" / "reference"


@pytest.fixture(scope="module")
def made():
    return pages(REPOSITORY)


@pytest.mark.parametrize("path", [*WHOLE, *PARTS])
def test_a_generated_page_is_current(made, path):
    assert (REPOSITORY / path).read_text(encoding="utf-8") == made[path], "run python docs/write_reference.py"


def test_what_is_written_by_hand_stays():
    page = "by hand\n\n<!-- generated: x, do not edit -->\n\nold\n\n<!-- end of x -->\n\nby hand too\n"
    new = with_generated(page, {"x": "new\n"})
    assert new == page.replace("old", "new")
    assert with_generated(new, {"x": "new\n"}) == new


@pytest.mark.parametrize("parts", [{}, {"x": "", "y": ""}, {"y": ""}])
def test_a_page_without_a_place_for_a_part_is_an_error(parts):
    with pytest.raises(ValueError, match="the page has the parts"):
        with_generated("<!-- generated: x, do not edit -->\n<!-- end of x -->\n", parts)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does_and_what_its_default_is(name):
    for action in parser_of(name)._actions:
        assert action.help, action.dest
        if action.default not in (None, False, "", []) and action.dest not in ("folder", "names"):
            assert f"default: {action.default}" in action.help.replace("%%", "%")


def commands_in(text):
    """Return the arguments of each `imagemake` in a script, up to a pipe, a redirection, `&&`, or `||`."""
    lines = [line.strip() for line in text.splitlines()]
    parts = [part for line in lines for part in re.split(r" [|>] | && | \|\| ", line)]
    return [shlex.split(part)[1:] for part in parts if part.startswith("imagemake ")]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_in_a_help_text_is_a_command_that_parses(name):
    examples = [words for words in commands_in(COMMANDS[name][0].EXAMPLES) if words[0] == name]
    assert examples
    for words in examples:
        parser_of(name).parse_args(words[1:])


def test_the_page_names_every_target_of_the_workflow():
    targets = set(re.findall(r"^rule (\w+):", (REPOSITORY / "Snakefile").read_text(encoding="utf-8"), re.M))
    page = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)`(?:, or none)? \| (?:a|the) ", page, re.M)) == targets


def test_every_override_on_the_page_is_one_that_a_run_takes(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    found = re.findall(r"^\| `--config (.+=.+?)` \|", (REFERENCE / "commands.md").read_text(encoding="utf-8"), re.M)
    assert len(found) > 3
    for override in found:
        changed = load_campaign(run_config([], shlex.split(override)))
        assert changed != load_campaign(run_config([], [])), f"{override} changes nothing in {CONFIG}"


def test_the_page_has_the_price_and_the_facts_of_every_model():
    page = (REFERENCE / "models.md").read_text(encoding="utf-8")
    named = re.findall(r"^(?:\| (`.+?`) \||- (`.+`)$)", page, re.M)
    names = [name for row in named for name in re.findall(r"`(.+?)`", "".join(row))]
    assert sorted(names) == sorted(2 * [name for _, name in load_models().models])


def test_the_manifest_page_names_the_current_version():
    page = (REFERENCE / "manifest.md").read_text(encoding="utf-8")
    assert f"currently `{MANIFEST_VERSION}`" in " ".join(page.split())
