"""The pages name files that exist."""

import re

import pytest
from folders import REPOSITORY

PACKAGE = REPOSITORY / "src" / "imagemake"
PAGES = [*sorted((REPOSITORY / "docs").rglob("*.md")), REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md"]
WRITTEN = [page for page in (*PAGES, REPOSITORY / "CHANGELOG.md") if page.parent.name != "reference"]
ROOTS = {path.name for folder in (REPOSITORY, PACKAGE) for path in folder.iterdir() if path.is_dir()}
CODE_BLOCK = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([\w./-]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)")
# Folders and files of a user's project, and the packages that the tutorial writes.
USER_PATH = re.compile(
    r"(work|store|results|releases|logs)/(?!.*\.py$)|\.venv/|config/(reviews|questions)\.csv$|config/models/(?!.*\.py$)|\.github/workflows/images|make_images|images/NAME|images/MUG|imagemake-"
)


def paths_named_on(text: str) -> set[str]:
    """Return the paths of this repository that a page names in backticks."""
    names = set(CODE.findall(CODE_BLOCK.sub("", text)))
    like_paths = {
        name for name in names if name.endswith((".py", ".md", ".yaml", ".smk")) or name.partition("/")[0] in ROOTS
    }
    return {name for name in like_paths if ("/" in name or "." in name) and not USER_PATH.match(name)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page):
    text = page.read_text(encoding="utf-8")
    homes = (REPOSITORY, PACKAGE, page.parent)
    assert [name for name in sorted(paths_named_on(text)) if not any((home / name).exists() for home in homes)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page):
    links = {link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link}
    assert [link for link in sorted(links) if not (page.parent / link).exists()] == []


def test_paths_are_found_in_backticks_and_not_in_a_users_project():
    text = "`core/recipe.py`, `store/layout.py`, `rules/`; `work/plans`, `store/raw/`, `image/jpeg`"
    text += "\n```\n`core/in_an_example.py`\n```"
    assert paths_named_on(text) == {"core/recipe.py", "store/layout.py", "rules/"}


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_sentences_of_a_page_are_in_lines_of_at_most_120_characters(page):
    text = CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert [line for line in text.splitlines() if len(line) > 120 and not line.startswith("|")] == []
