"""Templates filled by the rows of a catalog: which columns they use, and which of these must not be empty."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from imagemake.config.placeholders import Template, parse_template
from imagemake.core.text import did_you_mean

PROMPT_CHARACTERS = 32_000  # the largest limit of any known image API
_SHOWN_CHARACTERS = 80

Report = Callable[[str, str, str], None]  # takes a column, the mistake in this row, and the remedy


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a placeholder can name.

    Attributes:
        known: Columns of the catalog, variables, and columns with a default.
        may_be_empty: Columns that are not checked for empty values: variables are never empty, and defaults may be.
        config: Name of the campaign's file, for remedies.
    """

    known: Collection[str]
    may_be_empty: Collection[str]
    config: str

    def unknown(self, name: str) -> tuple[str, str]:
        """Return the problem and the remedy for an unknown placeholder."""
        near = did_you_mean(name, self.known)
        return (
            f"unknown placeholder {{{name[:_SHOWN_CHARACTERS]}}}.",
            f"{near} Known names: {', '.join(self.known)}.".strip(),
        )


@dataclass(frozen=True, slots=True)
class Wording:
    """A template and the columns that it uses.

    Attributes:
        use: What it is for, such as ``prompt``.
        template: The template.
        needed: Columns that must not be empty.
        unknown: Unknown placeholders.
    """

    use: str
    template: Template
    needed: tuple[str, ...]
    unknown: tuple[str, ...]

    @classmethod
    def read(cls, use: str, text: str, columns: Columns) -> Wording:
        """Read a template.

        Raises:
            ValueError: If the text is not a valid template.
        """
        template = parse_template(text)
        used = dict.fromkeys(template.fields)
        return cls(
            use,
            template,
            tuple(name for name in used if name in columns.known and name not in columns.may_be_empty),
            tuple(name for name in used if name not in columns.known),
        )

    def report_empty(self, values: Mapping[str, str], columns: Columns, report: Report) -> bool:
        """Report each empty column that the template uses, and return whether there are any."""
        empty = [name for name in self.needed if not values[name]]
        for name in empty:
            what = f"column {name!r} is empty, but the {self.use} uses {{{name}}}."
            report(name, what, f"Fill it in, or give {columns.config} a default under defaults.{name}.")
        return bool(empty)


class Prompts:
    """The prompt or negative prompt of every row: by the campaign's template, or by the row's own.

    Args:
        column: The column for a row's own template: ``prompt`` or ``negative_prompt``.
        text: The campaign's template; None where it is optional and missing. If it uses that column, a row's text is a
            value like any other.
        columns: The columns that placeholders can name.
        can_be_empty: Whether the rendered text may be empty.
    """

    def __init__(self, column: str, text: str | None, columns: Columns, *, can_be_empty: bool) -> None:
        self._column, self._columns = column, columns
        self._use = column.replace("_", " ")
        self.common = Wording.read(self._use, text or "", columns)
        self._can_be_empty = can_be_empty
        self._can_be_own = column in columns.known and column not in self.common.template.fields
        self._is_absent = text is None and not self._can_be_own
        self._own: dict[str, Wording | ValueError] = {}

    def render(self, values: Mapping[str, str], report: Report) -> str:
        """Return the prompt for a row's values; after a reported mistake, it must not be used."""
        if self._is_absent:
            return ""
        wording = self.common
        if self._can_be_own and (text := values[self._column]):
            own = self._read_own(text)
            if isinstance(own, ValueError):
                report(self._column, f"in column {self._column!r}, {own}.", "Write a literal brace as {{ or }}.")
                return ""
            wording = own
            for name in wording.unknown:
                what, remedy = self._columns.unknown(name)
                report(self._column, f"in column {self._column!r}, {what}", remedy)
            if wording.unknown:
                return ""
        is_broken = wording.report_empty(values, self._columns, report) or wording.unknown
        prompt = wording.template.render(values).strip()
        if not prompt and not self._can_be_empty and not is_broken:
            report(self._column, f"the {self._use} is empty.", "Fill in the columns that it uses.")
        if len(prompt) > PROMPT_CHARACTERS:
            what = f"the {self._use} has {len(prompt):,} characters; the limit is {PROMPT_CHARACTERS:,}."
            report(self._column, what, "Shorten it.")
        return prompt

    def _read_own(self, text: str) -> Wording | ValueError:
        if text not in self._own:
            try:
                self._own[text] = Wording.read(self._use, text, self._columns)
            except ValueError as error:
                self._own[text] = error
        return self._own[text]
