"""`imagemake review`: deciding about doubtful images in the browser."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
Opens a page on this machine with every image that waits for a person: approve, reject, or make again with another
prompt. Decisions are added to config/reviews.csv at once, and the next `snakemake` obeys them. Several reviewers may
work at a time.

Keys: A approve, R reject, G make again, N note, U undo, ? all of them. More: docs/review.md
"""


def add_review_options(review: argparse.ArgumentParser) -> None:
    """Say what `imagemake review` takes."""
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
    review.set_defaults(run=run_review)


def run_review(options: argparse.Namespace) -> int:
    """Serve until it is stopped."""
    from imagemake.review.serve import ServeOptions, serve

    wish = ServeOptions(
        host=options.host,
        port=options.port,
        reviewer=options.reviewer,
        browser=not options.no_browser,
        ask_token=options.token,
        allow_hosts=tuple(options.allow_host),
    )
    serve(Path(), wish)
    return 0
