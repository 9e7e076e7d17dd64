"""`imagemake`: what Snakemake has no verb for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from imagemake import (
    audit_command,
    batches_command,
    diff_command,
    publish_command,
    release_command,
    reproduce_command,
    schema_command,
    share_command,
    track_command,
    verify_command,
)
from imagemake.audit_command import add_audit_options
from imagemake.batches_command import add_batches_options
from imagemake.diff_command import add_diff_options
from imagemake.publish_command import add_publish_options
from imagemake.release_command import add_release_options
from imagemake.reproduce_command import add_reproduce_options
from imagemake.schema_command import add_schema_options
from imagemake.share_command import add_share_options
from imagemake.terminal import print_lines
from imagemake.track_command import add_track_options
from imagemake.verify_command import add_verify_options

DESCRIPTION = """\
make for AI images. The builds themselves are Snakemake's:

  snakemake -n        what would be made, why, and for how much
  snakemake pilot     a sample of the campaign
  snakemake small     a larger one, the pilot's pictures among them
  snakemake           the whole campaign
"""

LEDGER_DESCRIPTION = """\
Reads store/journal, where every call to a provider is written down before it is sent, and sums it:

  calls                       how many were sent
  pictures made               how many of them brought a picture
  billed USD                  the costs that are known; refused and failed calls cost nothing
  cost unknown                calls that "billed USD" leaves out, because nobody said what they cost
  from the team               pictures that came from the team's store (store.remote): no call, no cost
  outcome unknown, worst USD  what calls without an outcome can have cost at most; those in flight are among them
"""
LEDGER_EXAMPLES = """\
examples:
  what each model cost on each day of January
    imagemake ledger --by day,model --since 2026-01-01 --until 2026-01-31
  the calls that may have been billed without an answer, for a spreadsheet
    imagemake ledger --calls --outcome unknown --format csv > unknown.csv
"""


REVIEW_DESCRIPTION = """\
Opens a page on this machine with every picture that waits for a person: approve, reject, or make again with another
prompt. Decisions are added to config/reviews.csv at once, and the next `snakemake` obeys them. Several reviewers may
work at a time.

Keys: A approve, R reject, G make again, N note, U undo, ? all of them. More: docs/review.md
"""


INSPECT_DESCRIPTION = """\
Tells where one picture came from: its row of the manifest and the catalog, prompt, model, seed and key, every call for
it with time, cost and the provider's own request id, earlier attempts, what was measured, and what people decided.
For a file, also its content credentials: who signed, whether they hold, what was done, and what it was made from.

PICTURE is a file (released, of the store, or a copy that came back from somewhere: its XMP has the key), a key, or a
name of the manifest. Run it in the project that made the picture.

Says what does not match, such as a file or credentials that were changed, and ends with 1 then; with 2 where nothing
here knows the picture: of such a file, only the content credentials are told.
"""
INSPECT_EXAMPLES = """\
examples:
  a released picture, and a copy from a mail
    imagemake inspect results/images/MUG-1_red.jpg
    imagemake inspect ~/Downloads/mug.jpg
  whether the signer of a picture is one of those that you trust
    imagemake inspect ~/Downloads/mug.jpg --trust roots.pem
  the request id of each call, for the provider's support
    imagemake inspect MUG-1_red --json | jq -r .calls[].request_id
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; ends the process with 1 where it found something wrong."""
    options = _parser().parse_args(arguments)
    sys.exit(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="imagemake", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_verify_options(
        commands.add_parser(
            "verify",
            help="check the store against its names, and releases against their records",
            description=verify_command.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    reference = commands.add_parser(
        "reference",
        help="write config/README.md and config/schema.json from the types of the configuration",
        description="Writes the reference page and the JSON schema of config.yaml from its types.",
    )
    reference.add_argument("--folder", type=Path, default=Path("config"), help="default: config")
    reference.set_defaults(run=_reference)
    add_schema_options(
        commands.add_parser(
            "schema",
            help="print the JSON schema of the manifest or of sidecars",
            description=schema_command.DESCRIPTION,
            epilog=schema_command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    alerts = commands.add_parser(
        "alerts",
        help="send a test message to every address of IMAGEMAKE_ALERTS",
        description="Sends a test message to every address in the environment variable IMAGEMAKE_ALERTS: addresses of "
        "Apprise, with spaces between them, such as mailto://user:password@host. What is told of a run is set under "
        "alerts in config.yaml.",
    )
    alerts.set_defaults(run=_alerts)
    _add_review_options(
        commands.add_parser(
            "review",
            help="decide about doubtful pictures in the browser",
            description=REVIEW_DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    add_diff_options(
        commands.add_parser(
            "diff",
            help="tell what changed between two releases, with both pictures side by side",
            description=diff_command.DESCRIPTION,
            epilog=diff_command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    inspect = commands.add_parser(
        "inspect",
        help="tell where one picture came from, and whether it is what was released",
        description=INSPECT_DESCRIPTION,
        epilog=INSPECT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inspect.add_argument("picture", metavar="PICTURE", help="a file, a key of 64 digits, or a name")
    inspect.add_argument("--json", action="store_true", help="all of it for programs")
    inspect.add_argument(
        "--trust", type=Path, metavar="PEM", help="root certificates to trust; default: c2pa.trust of config.yaml"
    )
    inspect.set_defaults(run=_inspect)
    _add_ledger_options(
        commands.add_parser(
            "ledger",
            help="show, filter and sum every call: by day, model, campaign, outcome, name",
            description=LEDGER_DESCRIPTION,
            epilog=LEDGER_EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    add_batches_options(
        commands.add_parser(
            "batches",
            help="list, collect and cancel what is at a provider as a half-price batch",
            description=batches_command.DESCRIPTION,
            epilog=batches_command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    add_publish_options(
        commands.add_parser(
            "publish",
            help="put a release on S3 or elsewhere: what changed, the manifest last",
            description=publish_command.DESCRIPTION,
            epilog=publish_command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    add_share_options(
        commands.add_parser(
            "share",
            help="put what was paid for here into the team's store, as far as it lacks it",
            description=share_command.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    add_audit_options(
        commands.add_parser(
            "audit",
            help="write who approved each picture of a release, its prompt, calls, cost and checks",
            description=audit_command.DESCRIPTION,
            epilog=audit_command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    add_release_options(
        commands.add_parser(
            "release",
            help="make a release of what is built: checks, record, DVC, changelog, git tag",
            description=release_command.DESCRIPTION,
            epilog=release_command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    add_reproduce_options(
        commands.add_parser(
            "reproduce",
            help="make a picture again from its recipe, and tell how near it comes",
            description=reproduce_command.DESCRIPTION,
            epilog=reproduce_command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    add_track_options(
        commands.add_parser(
            "track",
            help="put store, pictures and tables under DVC's care",
            description=track_command.DESCRIPTION,
            epilog=track_command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    return parser


def _add_ledger_options(ledger: argparse.ArgumentParser) -> None:
    ledger.add_argument("--store", type=Path, default=Path("store"), help="default: store")
    shown = ledger.add_mutually_exclusive_group()
    shown.add_argument(
        "--by", metavar="COLUMNS", default="outcome", help="day, model, campaign, outcome, name; default: outcome"
    )
    shown.add_argument("--calls", action="store_true", help="list the single calls, in the order of days and jobs")
    ledger.add_argument("--since", metavar="YYYY-MM-DD", help="calls sent on that day (UTC) or later")
    ledger.add_argument("--until", metavar="YYYY-MM-DD", help="calls sent on that day (UTC) or earlier")
    for column in ("model", "campaign", "name"):
        ledger.add_argument(f"--{column}", metavar="GLOB", help=f"calls whose {column} matches, such as 'A*'")
    ledger.add_argument(
        "--outcome", metavar="NAME", help="made, refused, failed, unreadable, unknown, waiting or shared"
    )
    ledger.add_argument("--format", choices=("table", "csv", "json"), default="table", help="default: table")
    ledger.set_defaults(run=_ledger)


def _add_review_options(review: argparse.ArgumentParser) -> None:
    review.add_argument("--port", type=int, default=8765, help="default: 8765; 0 takes any that is free")
    review.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; default: 127.0.0.1, which only this machine reaches. Any other asks for the token "
        "that is printed; the connection is not encrypted",
    )
    review.add_argument("--token", action="store_true", help="ask for a token here too, where others have accounts")
    review.add_argument(
        "--allow-host", metavar="NAME", action="append", default=[], help="another name that this server goes by"
    )
    review.add_argument("--reviewer", metavar="NAME", help="who decides; default: the name that git knows")
    review.add_argument("--no-browser", action="store_true", help="only print the address")
    review.set_defaults(run=_review)


def _reference(options: argparse.Namespace) -> int:
    from imagemake.wanted.reference import write_reference

    write_reference(options.folder)
    return 0


def _alerts(_: argparse.Namespace) -> int:
    from imagemake.alerts import ADDRESSES, addresses, send

    if not addresses():
        print(f"The environment variable {ADDRESSES} holds no address.", file=sys.stderr)
        return 1
    failures = send("imagemake: a test", "Messages about runs come here.")
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{len(addresses()) - len(failures)} of {len(addresses())} addresses took the message.")
    return 1 if failures else 0


def _ledger(options: argparse.Namespace) -> int:
    from imagemake.journal import read_calls
    from imagemake.ledger import read_question, sum_calls
    from imagemake.ledger_lines import lines_of_calls, lines_of_sums
    from imagemake.problems import UserError
    from imagemake.store import Store

    filters = {name: getattr(options, name) for name in ("since", "until", "outcome", "model", "campaign", "name")}
    try:
        by, selection = read_question(options.by, **filters)
    except UserError as mistakes:
        print(mistakes, file=sys.stderr)
        return 2
    folder = Store(options.store).journal_folder
    if not folder.is_dir():
        remedy = "Run this where the Snakefile is, or name the store with --store; the first call makes the journal."
        print(f"{folder}: there is no journal.\n  {remedy}", file=sys.stderr)
        return 1
    selected = filter(selection.test(), read_calls(folder))
    first = next(selected, None)
    if first is None:
        which = f"No call in {folder} matches {selection}." if str(selection) else f"{folder} holds no call yet."
        print(which, file=sys.stderr)
    calls = chain([] if first is None else [first], selected)
    if options.calls:
        print_lines(lines_of_calls(calls, options.format))
    else:
        print_lines(lines_of_sums(sum_calls(calls, by), options.format))
    return 0


def _inspect(options: argparse.Namespace) -> int:
    from imagemake.credentials.trust import trust_anchors
    from imagemake.inspecting import Inspector
    from imagemake.inspecting_lines import json_of, lines_of, lines_of_stranger
    from imagemake.problems import UserError

    anchors = None
    try:
        anchors = trust_anchors(Path(), options.trust)
        found = Inspector(Path(), anchors).inspect(options.picture)
    except UserError as mistakes:
        if anchors is not None and not options.json:
            print_lines(lines_of_stranger(Path(options.picture), anchors))
        print(mistakes, file=sys.stderr)
        return 2
    print_lines([json_of(found)] if options.json else lines_of(found))
    return 1 if found.mismatches else 0


def _review(options: argparse.Namespace) -> int:
    from imagemake.problems import exit_on_mistakes
    from imagemake.review.serve import Wish, serve

    wish = Wish(
        host=options.host,
        port=options.port,
        reviewer=options.reviewer,
        browser=not options.no_browser,
        ask_token=options.token,
        allow_hosts=tuple(options.allow_host),
    )
    with exit_on_mistakes():
        serve(Path(), wish)
    return 0
