"""`imagemake audit`: who approved each image of a release, how it was made, and what it cost."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from pathlib import Path
from textwrap import indent
from typing import Any

import orjson

from imagemake.core.text import printable

DESCRIPTION = """\
Writes one row per image of a release:

  approval   who approved it, when, and with which note
  recipe     catalog row, prompt, model, seed, and parameters
  calls      every call for it, with the provider's request ID and the cost
  checks     what each check found, and the limits that applied

Everything is shown as it was when the release was made. To check that these records have not changed since, run
`imagemake verify --releases`.
"""
EXAMPLES = """\
examples:
  audit the latest release in a spreadsheet
    imagemake audit --format csv > audit.csv
  find out who approved one image of v1.2, and why
    imagemake audit v1.2 --name MUG-1_red
  list the images that a reviewer approved although a check objected
    imagemake audit --format json | jq '.[] | select(.approved_by != "checks") | {name, approved_by, note, reasons}'
"""
FORMATS = ("table", "csv", "json")
WITHOUT_IMAGE = {"review": "awaiting review", "pending": "not made"}
NUMBERS = ("catalog_row", "seed", "cost_usd")


def add_audit_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake audit`."""
    parser.add_argument("release", metavar="RELEASE", nargs="?", help="name of a release; default: the latest")
    parser.add_argument(
        "--name", metavar="GLOB", default="*", help="only images whose name matches, such as 'MUG-*'; default: *"
    )
    parser.add_argument("--all", action="store_true", help="include requests without a released image")
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="format of the output; default: table, one block per image"
    )
    parser.set_defaults(run=run_audit)


def run_audit(options: argparse.Namespace) -> int:
    """Write the audit; return 1 if no image matches."""
    from fnmatch import fnmatchcase

    from imagemake.cli.terminal import print_lines
    from imagemake.versions.audit import audit_rows

    shown, lacking = 0, Counter[str]()

    def rows() -> Iterator[Mapping[str, Any]]:
        nonlocal shown
        for row in audit_rows(Path(), options.release):
            if not fnmatchcase(row["name"], options.name):
                continue
            if row["file"] or options.all:
                shown += 1
                yield row
            else:
                lacking[row["verdict"]] += 1

    forms = {"table": _blocks, "csv": _csv, "json": _json}
    print_lines(forms[options.format](rows()))
    if lacking:
        told = ", ".join(f"{n:,} {WITHOUT_IMAGE.get(verdict, verdict)}" for verdict, n in lacking.most_common())
        print(f"Without a released image: {told}. --all includes them.", file=sys.stderr)
    elif not shown:
        print(f"No image in this release matches {options.name!r}.", file=sys.stderr)
    return 0 if shown else 1


def _json(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a list, entry by entry. ASCII only, because terminals interpret control characters."""
    before = None
    for row in rows:
        yield "[" if before is None else f"{before},"
        entry = orjson.dumps(row, option=orjson.OPT_INDENT_2).decode()
        before = indent(entry if entry.isascii() else json.dumps(row, indent=2), "  ")
    yield "[]" if before is None else f"{before}\n]"


def _csv(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    from imagemake.core.spreadsheet import safe_cell
    from imagemake.versions.audit import COLUMNS

    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="")
    texts = ([_text(row[column]) for column in COLUMNS] for row in rows)
    cells = (
        [text if column in NUMBERS else safe_cell(text) for column, text in zip(COLUMNS, line, strict=True)]
        for line in texts
    )
    for line in ([*COLUMNS], *cells):
        writer.writerow(line)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _blocks(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for number, row in enumerate(rows):
        if number:
            yield ""
        for column, value in row.items():
            lines = value if isinstance(value, list) else [value]
            for line in lines:
                if line not in (None, ""):
                    yield f"{column.replace('_', ' '):<16}  {printable(_text(line))}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "; ".join(map(_text, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_text(one)}" for name, one in value.items() if one is not None)
    return str(value)
