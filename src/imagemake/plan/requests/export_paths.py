"""The paths and texts of exports: templates over an image's values, whose paths cannot leave the export's folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from imagemake.config.fields import TAKE
from imagemake.config.placeholders import Template, parse_template
from imagemake.plan.requests.file_names import NAME
from imagemake.plan.requests.names import BadValueError, Namer, safe_name

PROMPT = "prompt"
_BETWEEN_FOLDERS = re.compile(r"/(?![^{}]*\})")  # not within a placeholder

template_of = lru_cache(parse_template)


class ExportPath:
    """Names the file of each image in an export's folder.

    Args:
        text: The template; its own slashes separate folders, those in values do not.

    Attributes:
        fields: Its placeholders.
        is_whole: Whether each part of the path has a placeholder or a name.
    """

    def __init__(self, text: str) -> None:
        self.fields = parse_template(text).fields
        parts = [parse_template(part) for part in _BETWEEN_FOLDERS.split(text)]
        self.is_whole = all(part.fields or safe_name(part.literals[0]) for part in parts)  # whatever the values
        self._namers = [Namer(part) for part in parts]

    def of(self, values: Mapping[str, str]) -> str:
        """Return the path for these values, without extension.

        Raises:
            BadValueError: If a value cannot be part of a path, or a part of the path would be empty.
        """
        parts = [namer.name(values) for namer in self._namers]
        if not all(parts):
            raise BadValueError(self.fields[0] if self.fields else "", "leaves a part of the path empty")
        return "/".join(parts)


def rendered(template: str, values: Mapping[str, str]) -> str:
    """Return a text of an export for an image."""
    found: Template = template_of(template)
    return found.render(values)


def values_of(variables: Mapping[str, str], name: str, take: int) -> dict[str, str]:
    """Return the values of an image that templates of exports can use, but for its prompt."""
    return {**variables, NAME: name, TAKE: str(take)}
