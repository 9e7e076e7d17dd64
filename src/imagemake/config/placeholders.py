"""Templates with ``{column}`` placeholders.

Our own parser, and not `str.format`: catalog text is data, so a placeholder is the name of a column and nothing else;
no attribute, index, conversion or format is ever looked at. What is inserted is not scanned again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class Template:
    """A text with placeholders.

    Attributes:
        literals: The text around the placeholders, one more than there are placeholders.
        fields: The placeholders' names in their order; a name can come twice.
    """

    literals: tuple[str, ...]
    fields: tuple[str, ...]
    _percents: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # The % operator with nothing but %s is twice as fast as joining, and looks into no value.
        object.__setattr__(self, "_percents", "%s".join(text.replace("%", "%%") for text in self.literals))

    def render(self, values: Mapping[str, str]) -> str:
        """Put values into the placeholders.

        Raises:
            KeyError: If a placeholder has no value.
        """
        return self._percents % tuple([values[name] for name in self.fields])

    def with_literals(self, change: Callable[[str], str]) -> Template:
        """Return a template whose text around the placeholders is changed."""
        return Template(tuple(change(text) for text in self.literals), self.fields)


def parse_template(text: str) -> Template:
    """Read a template: ``{column}`` is a placeholder, ``{{`` and ``}}`` stand for braces.

    Raises:
        ValueError: If a brace has no partner, or a placeholder no name.
    """
    literals, fields, end = [""], list[str](), 0
    for token in _TOKEN.finditer(text):
        literals[-1] += text[end : token.start()]
        end = token.end()
        if token.group() in ("{{", "}}"):
            literals[-1] += token.group()[0]
            continue
        if token.group(1) is None:
            raise ValueError(f"the {token.group()!r} at character {token.start() + 1} has no partner")
        name = unicodedata.normalize("NFC", token.group(1).strip())
        if not name:
            raise ValueError(f"the placeholder at character {token.start() + 1} has no name")
        fields.append(name)
        literals.append("")
    literals[-1] += text[end:]
    return Template(tuple(literals), tuple(fields))
