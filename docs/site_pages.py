"""Puts pages from outside docs/ on the site, and makes links between the two lead to the right place.

MkDocs calls the functions by their names. In the repository, all links work as they are written.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
# Pages by their path in the repository, with their path on the site.
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing/index.md",
    "CHANGELOG.md": "reference/changes.md",
    "config/README.md": "reference/configuration.md",
}
SOURCES = {page: source for source, page in ELSEWHERE.items()}
LINK = re.compile(r"(?<!!)\[(?P<words>[^\]]+)\]\((?P<path>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")
IMAGE = re.compile(r"!\[(?P<words>[^\]]*)\]\((?P<path>[^)#\s:]+)\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages from outside docs/."""
    from mkdocs.structure.files import File  # only in the environment that builds the site

    for source, page in ELSEWHERE.items():
        text = (REPOSITORY / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite the page's links."""
    return with_links_of_the_site(markdown, page.file.src_uri)


def with_links_of_the_site(markdown: str, page: str) -> str:
    """Return a page with links from page to page; a link to a file that is no page becomes its words.

    Args:
        markdown: The page as the repository has it.
        page: Its path on the site, relative to docs/.

    Raises:
        FileNotFoundError: If a link leads to no file of the repository.
    """
    source = SOURCES.get(page, f"docs/{page}")

    def target(path: str) -> str | None:
        found = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if not (REPOSITORY / found).exists():
            raise FileNotFoundError(f"{source}: the link {path} leads to no file")
        on_site = ELSEWHERE.get(found) or (found.removeprefix("docs/") if found.startswith("docs/") else None)
        return on_site and posixpath.relpath(on_site, posixpath.dirname(page) or ".")

    def link(match: re.Match[str]) -> str:
        found = target(match["path"])
        return f"[{match['words']}]({found}{match['anchor'] or ''})" if found else match["words"]

    def image(match: re.Match[str]) -> str:
        return f"![{match['words']}]({target(match['path'])})"

    parts = re.split(r"(^ *```.*?^ *```$)", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if n % 2 else IMAGE.sub(image, LINK.sub(link, part)) for n, part in enumerate(parts))
