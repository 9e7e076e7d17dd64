"""Pages from templates: everything that is put into one is escaped, and a name that nobody gave is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def environment_of(package: str, folder: str) -> Environment:
    """Return what renders the templates of a package.

    Args:
        package: That they come with.
        folder: Theirs, in the package.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
