"""HTML pages from templates: inserted values are escaped, and an undefined name is an error."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


@cache  # with the templates that were compiled
def environment_of(package: str, folder: str) -> Environment:
    """Return the Jinja environment for the templates of a package.

    Args:
        package: The package that contains them.
        folder: Their folder in the package.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
