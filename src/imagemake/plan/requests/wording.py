"""Templates as the rows of a catalog fill them: which columns they use, and what is wrong where one is empty."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from imagemake.config.placeholders import Template, parse_template
from imagemake.core.text import did_you_mean

PROMPT_CHARACTERS = 32_000  # the most that any known image API takes
_SHOWN_CHARACTERS = 80

Tell = Callable[[str, str, str], None]  # takes a column, what is wrong with it in this row, and the remedy


@dataclass(frozen=True, slots=True)
class Columns:
    """What a placeholder can name.

    Attributes:
        known: Columns of the catalog, variables, and columns that have a default.
        may_be_empty: Those whose values need not be checked: variables never are empty, and defaults may be.
        config: Name of the campaign's file, for remedies.
    """

    known: Collection[str]
    may_be_empty: Collection[str]
    config: str

    def unknown(self, name: str) -> tuple[str, str]:
        """Return what is wrong with a placeholder that nothing stands for, and the remedy."""
        near = did_you_mean(name, self.known)
        return (
            f"nothing stands for {{{name[:_SHOWN_CHARACTERS]}}}.",
            f"{near} There are {', '.join(self.known)}.".strip(),
        )


@dataclass(frozen=True, slots=True)
class Wording:
    """A template, read with the columns in mind.

    Attributes:
        use: What it is for: ``prompt``.
        template: The template.
        needed: Columns that must not be empty.
        unknown: Placeholders that nothing stands for.
    """

    use: str
    template: Template
    needed: tuple[str, ...]
    unknown: tuple[str, ...]

    @classmethod
    def read(cls, use: str, text: str, columns: Columns) -> Wording:
        """Read a template.

        Raises:
            ValueError: If it is none.
        """
        template = parse_template(text)
        used = dict.fromkeys(template.fields)
        return cls(
            use,
            template,
            tuple(name for name in used if name in columns.known and name not in columns.may_be_empty),
            tuple(name for name in used if name not in columns.known),
        )

    def tell_empty(self, values: Mapping[str, str], columns: Columns, tell: Tell) -> bool:
        """Tell of each column that is empty here although the template uses it, and say whether there are any."""
        empty = [name for name in self.needed if not values[name]]
        for name in empty:
            what = f"column {name!r} is empty, but the {self.use} uses {{{name}}}."
            tell(name, what, f"Fill it in, or give {columns.config} a default under defaults.{name}.")
        return bool(empty)


class Prompts:
    """The prompt, or the negative prompt, of every row: the campaign's template, or the row's own.

    Args:
        column: Where a row can have its own: ``prompt`` or ``negative_prompt``.
        text: The campaign's template; None where there need not be one. If it uses that column, a row's text is a value
            like any other.
        columns: What placeholders can name.
        can_be_empty: Whether it is fine that nothing is left once the values are in.
    """

    def __init__(self, column: str, text: str | None, columns: Columns, *, can_be_empty: bool) -> None:
        self._column, self._columns = column, columns
        self._use = column.replace("_", " ")
        self.common = Wording.read(self._use, text or "", columns)
        self._can_be_empty = can_be_empty
        self._can_be_own = column in columns.known and column not in self.common.template.fields
        self._is_absent = text is None and not self._can_be_own
        self._own: dict[str, Wording | ValueError] = {}

    def render(self, values: Mapping[str, str], tell: Tell) -> str:
        """Return the prompt for a row's values; what is wrong is told, and then the text is of no use."""
        if self._is_absent:
            return ""
        wording = self.common
        if self._can_be_own and (text := values[self._column]):
            own = self._read_own(text)
            if isinstance(own, ValueError):
                tell(self._column, f"in column {self._column!r}, {own}.", "Write a brace as {{ or }}.")
                return ""
            wording = own
            for name in wording.unknown:
                what, remedy = self._columns.unknown(name)
                tell(self._column, f"in column {self._column!r}, {what}", remedy)
            if wording.unknown:
                return ""
        is_broken = wording.tell_empty(values, self._columns, tell) or wording.unknown
        prompt = wording.template.render(values).strip()
        if not prompt and not self._can_be_empty and not is_broken:
            tell(self._column, f"the {self._use} is empty.", "Give the columns that it uses a value.")
        if len(prompt) > PROMPT_CHARACTERS:
            what = f"the {self._use} is {len(prompt):,} characters long; {PROMPT_CHARACTERS:,} are the most."
            tell(self._column, what, "Shorten it.")
        return prompt

    def _read_own(self, text: str) -> Wording | ValueError:
        if text not in self._own:
            try:
                self._own[text] = Wording.read(self._use, text, self._columns)
            except ValueError as error:
                self._own[text] = error
        return self._own[text]
