"""The reference is what the code says: its generated parts are current, and what is written by hand is true."""

import re
import shlex

import pytest
from folders import REPOSITORY
from PIL import Image
from reference_pages import PARTS, WHOLE, pages
from reference_pages.commands import parser_of
from reference_pages.markdown import with_generated

from imagemake.cli.main import COMMANDS
from imagemake.config.campaign import load_campaign
from imagemake.config.fields import CONFIG
from imagemake.config.load import run_config
from imagemake.config.models import load_models
from imagemake.config.yaml12 import read_yaml
from imagemake.plugins.measures import BUILT_IN as MEASURES
from imagemake.plugins.measures import measure_class
from imagemake.plugins.steps import BUILT_IN as STEPS
from imagemake.plugins.steps import step_class
from imagemake.release.manifest.row import MANIFEST_VERSION
from imagemake.release.record import FILES

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


REFERENCE_PAGES = sorted(REFERENCE.glob("*.md"))


@pytest.mark.parametrize("page", REFERENCE_PAGES, ids=lambda page: page.name)
def test_a_page_names_only_quantities_that_measures_have(page):
    text = page.read_text(encoding="utf-8")
    named = [tuple(found) for found in re.findall(rf"\b({'|'.join(MEASURES)})\.([a-z_]+)\b", text)]
    for measure, words in re.findall(r"^\| `([a-z]+)` \|(.*)$", text, re.M):
        named += [(measure, name) for name in re.findall(r"`([a-z_]+)`", words) if measure in MEASURES]
    named = [one for one in named if not measure_class(one[0]).names_quantities]
    assert [one for one in named if one[1] not in (*quantities_of(one[0]), "webp")] == []  # a file's name


def quantities_of(measure):
    kind = measure_class(measure)
    return {*kind.quantities, *kind.compared}


def test_every_step_that_the_page_shows_is_one_that_a_campaign_can_have(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (REFERENCE / "steps.md").read_text(encoding="utf-8")
    shown = [(step, settings) for step, settings in re.findall(r"`([a-z_]+): (\{.*?\})`", text) if step in STEPS]
    assert {step for step, _ in shown} == set(STEPS)
    for step, settings in ((step, read_yaml(settings)) for step, settings in shown):
        if "file" in settings:
            (tmp_path / settings["file"]).parent.mkdir(exist_ok=True)
            Image.new("RGB", (8, 8)).save(tmp_path / settings["file"])
        step_class(step).Settings.model_validate(settings)


def test_the_manifest_page_names_the_current_version():
    page = (REFERENCE / "manifest.md").read_text(encoding="utf-8")
    assert f"currently `{MANIFEST_VERSION}`" in " ".join(page.split())


# Not set by users.
OF_JOBS = {
    "IMAGEMAKE_FORKS",
    "IMAGEMAKE_SCRIPTS",
    "IMAGEMAKE_TOLD",
    "IMAGEMAKE_RUN",
    "IMAGEMAKE_SERVER",
    "IMAGEMAKE_WORK",
}


def test_the_page_names_every_variable_of_ours_that_users_set():
    page = (REFERENCE / "environment.md").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "src").rglob("*.py"))
    named = set(re.findall(r"\bIMAGEMAKE_[A-Z0-9_]+\b", page))
    assert named == set(re.findall(r"\bIMAGEMAKE_[A-Z0-9_]+\b", code)) - OF_JOBS


def test_the_page_names_every_file_of_a_release():
    page = (REFERENCE / "folders.md").read_text(encoding="utf-8")
    assert [name for name in FILES if f"`{name}`" not in page] == []
