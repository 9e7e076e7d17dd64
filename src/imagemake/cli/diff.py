"""`imagemake diff`: what changed between two releases, in the terminal and on a page."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.cli.options import add_store_option
from imagemake.store.layout import RESULTS, WORK

if TYPE_CHECKING:
    from imagemake.versions.diff.report import DiffReport
    from imagemake.versions.diff.snapshot import Opener, Snapshot

DESCRIPTION = """\
Compares two releases and lists every image that was added, removed, renamed, or changed. For each change it gives the
cause, such as prompt, seed, model, parameters, reference images, postprocessing, or review. It also compares the
numbers of both releases.

A and B are git tags, branches, or commits (you can also write v1.1..v1.2), or folders that contain a release. Without
B, the command compares A with the current results; without A, it uses HEAD. For a git revision, it reads the
manifest from results/ or releases/REVISION/. Images come from git, from DVC's cache or remote, or from the store.

--html also writes a page that shows both images of each change under a slider, largest differences first. The page is
a single file and needs no network.

Exit status: 0, or 1 with --exit-code if anything differs; 2 if a release cannot be read.
"""
EXAMPLES = """\
examples:
  compare the current results with the last commit
    imagemake diff
  compare two releases, and write the page work/diff/v1.1..v1.2.html
    imagemake diff v1.1 v1.2 --html
  list changes of mugs in a release that you downloaded, for a spreadsheet
    imagemake diff v1.2 ~/Downloads/release --names 'MUG-*' --format csv > mugs.csv
  in a script: test whether anything differs
    imagemake diff v1.2 --exit-code > /dev/null || echo changed
"""
PAGES = WORK / "diff"
MOST_IMAGES = 500
MOST_LINES = 50


def add_diff_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake diff`."""
    parser.add_argument("a", metavar="A", nargs="?", default="HEAD", help="the earlier release; default: HEAD")
    parser.add_argument("b", metavar="B", nargs="?", help="the later release; default: the current results")
    parser.add_argument(
        "--html",
        metavar="FILE.html",
        nargs="?",
        const="",
        help=f"also write a page; default: {PAGES}/A..B.html",
    )
    parser.add_argument(
        "--format", choices=("table", "json", "csv"), default="table", help="format of the output; default: table"
    )
    parser.add_argument(
        "--names", metavar="GLOB", action="append", default=[], help="only images whose name matches; repeatable"
    )
    parser.add_argument(
        "--scope", choices=("all", "small", "pilot"), default="all", help="which release of the project; default: all"
    )
    parser.add_argument(
        "--most",
        metavar="N",
        type=_count,
        default=MOST_LINES,
        help=f"most lines per kind of change; default: {MOST_LINES}",
    )
    parser.add_argument(
        "--most-images",
        metavar="N",
        type=_count,
        default=MOST_IMAGES,
        help=f"most changes whose images the page shows, about 50 KB each; default: {MOST_IMAGES}",
    )
    parser.add_argument("--exit-code", action="store_true", help="exit with 1 if anything differs")
    add_store_option(parser)
    parser.set_defaults(run=run_diff)


def run_diff(options: argparse.Namespace) -> int:
    """Compare two releases and print the changes; return 1 if asked to and anything differs."""
    from imagemake.cli.terminal import print_lines
    from imagemake.core.errors import ExitCode, InterruptedByUserError
    from imagemake.core.problems import Problem, UserError
    from imagemake.versions.diff.snapshot import ImageSource, Opener

    try:
        a, b = _sides(options.a, options.b)
        page = _page(options.html, a, b or str(RESULTS))
        with Opener(ImageSource(Path(), options.scope, options.store), options.names) as opener:
            report = build_report(opener, a, b, options.most_images if page else 0)
        if page:
            from imagemake.versions.diff.page import write_page

            write_page(page, report)
    except OSError as error:
        raise UserError(Problem(str(error.filename), f"{error.strerror}.", "Name another file with --html.")) from None
    except KeyboardInterrupt:
        raise InterruptedByUserError("\nStopped. Nothing was written.") from None
    color = sys.stdout.isatty() and not _no_color()
    print_lines(report.lines(options.format, most=options.most, color=color))
    if page:
        print(f"Wrote {page}.", file=sys.stderr)
    return ExitCode.INCOMPLETE if options.exit_code and report.comparison.changes else ExitCode.OK


def build_report(opener: Opener, a: str, b: str | None, most_images: int) -> DiffReport:
    """Compare two releases and open the images of the most visible changes."""
    from imagemake.cli.terminal import Progress
    from imagemake.versions.diff.compare import Comparison, compare
    from imagemake.versions.diff.image_changes import most_visible, open_images, with_xmp_changes
    from imagemake.versions.diff.numbers import attempts_of, new_attempts, numbers_of
    from imagemake.versions.diff.report import DiffReport

    before = opener.open(a)
    after = opener.work_tree() if b is None else opener.open(b)
    found = compare(before.table, after.table)
    changes = list(with_xmp_changes(found.changes, before, after))
    tried = [attempts_of(one.table, one.label) for one in (before, after)]
    progress = Progress()
    report = DiffReport(
        before.label,
        after.label,
        Comparison(changes, found.unchanged),
        numbers_of(before.table, tried[0]),
        numbers_of(after.table, tried[1]),
        new_attempts(*tried),
        open_images(
            most_visible(changes, before, after, most_images),
            before,
            after,
            lambda done, total: progress.tell(f"{done:,} of {total:,} changes compared"),
        ),
        {change.name: (_verdict(before, change.before), _verdict(after, change.after)) for change in changes},
    )
    progress.end()
    return report


def _verdict(snapshot: Snapshot, row: int | None) -> str:
    return "" if row is None else str(snapshot.table["verdict"][row].as_py())


def _sides(a: str, b: str | None) -> tuple[str, str | None]:
    # A..B as in git. No revision name contains two dots; a path that exists or starts with ../ is not split.
    first, dots, second = a.partition("..")
    if b is None and dots and first and second and not Path(a).exists() and not second.startswith("."):
        return first, second
    return a, b


def _page(html: str | None, a: str, b: str) -> Path | None:
    from imagemake.core.problems import Problem, UserError

    if html is None:
        return None
    if html and not html.lower().endswith((".html", ".htm")):
        remedy = f"Put --html last to write {PAGES}/A..B.html, or name a file: --html={html}.html"
        raise UserError(Problem(f"--html {html}", "the name of the page must end in .html.", remedy))
    sides = (re.sub(r"[^\w.+-]+", "-", side).strip(".-") or "folder" for side in (a, b))
    return Path(html) if html else PAGES / f"{'..'.join(side[-100:] for side in sides)}.html"


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return number


def _no_color() -> bool:
    import os

    return bool(os.environ.get("NO_COLOR"))  # https://no-color.org
