"""What the readers of all formats of catalogs share."""

from __future__ import annotations

import codecs
from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import blake2b

from imagemake.config.fields import TAKE
from imagemake.core.problems import Problem, UserError
from imagemake.core.text import forbidden_character, with_plain_line_ends
from imagemake.plan.requests.catalog_row import DIGEST_BYTES, Records, Row

MOST_COLUMNS = 10_000
_UTF8 = "Save the file as UTF-8 (in a spreadsheet: export as 'CSV UTF-8')."


class Reader:
    """Reads the content of one file and collects its mistakes.

    Args:
        path: To name in problems.
        data: The content.
    """

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self._data = data

    def report(self, place: str | int | None, what: str, remedy: str) -> None:
        """Collect a problem; a number is a row's number."""
        place = f"row {place}" if isinstance(place, int) else place
        self.problems.append(Problem(f"{self.path}, {place}" if place else self.path, what, remedy))

    def rows(self, numbers: Collection[int] | None = None) -> list[Row]:
        """Return rows, and collect their mistakes.

        Args:
            numbers: Of the rows; by default, of all.
        """
        return [*self.each(numbers)]

    def each(self, numbers: Collection[int] | None = None) -> Iterator[Row]:
        """Yield what `rows` returns, one row after the other."""
        text = self._decoded(self._data)
        yield from () if text is None else self._rows_in(text, numbers)

    def records(self) -> Records | None:
        """Return what tells which rows changed; None if the catalog has mistakes.

        Cells of CSV files are not counted: what is wrong with a row that changed shows once it is read.
        """
        text = self._decoded(self._data)
        found = None if text is None or self.problems else self._records_in(text)
        return None if found is None or self.problems or not found.numbers else found

    def _rows_in(self, text: str, numbers: Collection[int] | None) -> Iterable[Row]:
        raise NotImplementedError

    def _records_in(self, text: str) -> Records | None:
        raise NotImplementedError

    def _decoded(self, data: bytes) -> str | None:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self.report(None, "the file is in UTF-16.", _UTF8)
            return None
        data = data.removeprefix(codecs.BOM_UTF8)
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
        offset = 0
        for number, line in enumerate(data.split(b"\n"), start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                what = f"byte 0x{line[error.start]:02x} at offset {offset + error.start} is not UTF-8."
                self.report(f"line {number}", what, _UTF8)
            offset += len(line) + 1
        return data.decode(errors="replace")  # to find further mistakes

    def _check_number(self, n_columns: int) -> None:
        if n_columns > MOST_COLUMNS:
            what = f"the catalog has {n_columns:,} columns; at most {MOST_COLUMNS:,} are read."
            raise UserError(Problem(self.path, what, "Write one row per subject, and one column per property."))

    def _check_column(self, number: int, column: str) -> None:
        if "{" in column or "}" in column or forbidden_character(column):
            self.report(
                number,
                f"{column!r} cannot be the name of a column.",
                "Use a name without braces and control characters.",
            )
        elif column == TAKE:
            self.report(number, "the column name 'take' is reserved for the number of the take.", "Rename the column.")

    def _check_cells(self, number: int, values: Mapping[str, str]) -> None:
        if not forbidden_character("".join(values.values())):
            return
        for column, value in values.items():
            if character := forbidden_character(value):
                self.report(number, f"column {column!r} contains the control character {character}.", "Remove it.")


def digest_of(content: str) -> bytes:
    """Return the digest of what is written in a row."""
    return blake2b(content.encode(), digest_size=DIGEST_BYTES).digest()


def clean(cell: str) -> str:
    """Return a cell without surrounding blanks, with line feeds as line ends."""
    return with_plain_line_ends(cell).strip()
