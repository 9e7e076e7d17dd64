"""The text of a YAML file, and the error that names a place in it."""

from __future__ import annotations

from imagemake.core.errors import ImagemakeError

MOST_BYTES = 10_000_000


class YamlError(ImagemakeError):
    """Text is not YAML that a configuration can have.

    Attributes:
        line: The line of the mistake, from 1; 0 if it is about the whole text.
        column: The column of the mistake, from 1.
        what: The mistake, as a sentence.
        remedy: What to do about it, as a sentence.
    """

    def __init__(self, line: int, column: int, what: str, remedy: str) -> None:
        super().__init__(what)
        self.line, self.column, self.what, self.remedy = line, column, what, remedy

    def place(self, where: str) -> str:
        """Return the file with the line and the column."""
        return f"{where}, line {self.line}, column {self.column}" if self.line else where


def decoded(data: bytes) -> str:
    """Return the text of a file, in UTF-8 or, with a byte order mark, in UTF-16.

    Raises:
        YamlError: If it is too large or not text.
    """
    if len(data) > MOST_BYTES:
        what = f"the file has {len(data):,} bytes; at most {MOST_BYTES:,} are read."
        raise YamlError(0, 0, what, "Move values into the catalog.")
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        what = f"byte 0x{data[error.start]:02x} is not text in UTF-8."
        raise YamlError(line, column, what, "Save the file as UTF-8.") from None
