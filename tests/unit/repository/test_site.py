"""Links between pages lead to the right place on the site, whether the pages are in docs/ or not."""

import importlib.util

import pytest
from folders import REPOSITORY


@pytest.fixture(scope="module")
def site_pages():
    found = importlib.util.spec_from_file_location("site_pages", REPOSITORY / "docs" / "site_pages.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("page", "written", "on_site"),
    [
        ("how-to/review.md", "[a](../reference/steps.md#b)", "[a](../reference/steps.md#b)"),
        ("how-to/review.md", "[a](../../config/README.md#steps)", "[a](../reference/configuration.md#steps)"),
        ("index.md", "[a](config/README.md)", "[a](reference/configuration.md)"),
        ("index.md", "![a](docs/contact-sheet.png)", "![a](contact-sheet.png)"),
        ("contributing/index.md", "[a](docs/contributing/architecture.md)", "[a](architecture.md)"),
        ("contributing/index.md", "[a](https://example.org/b.md)", "[a](https://example.org/b.md)"),
        ("contributing/index.md", "[a](#b)", "[a](#b)"),
        ("how-to/plugins.md", "[plugins](../../src/imagemake/plugins/__init__.py)", "plugins"),
        ("index.md", "```\n[a](config/README.md)\n```", "```\n[a](config/README.md)\n```"),
    ],
)
def test_a_link_leads_to_the_page_on_the_site(site_pages, page, written, on_site):
    assert site_pages.with_links_of_the_site(written, page) == on_site


def test_a_link_to_no_file_ends_the_build(site_pages):
    with pytest.raises(FileNotFoundError, match=r"README.md: the link docs/gone.md leads to no file"):
        site_pages.with_links_of_the_site("[a](docs/gone.md)", "index.md")
