"""`imagemake review`: decide about images in the browser."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
Opens a page in your browser with every image awaiting review. Approve it, reject it, or generate it again with another
prompt. Each decision is saved to config/reviews.csv at once, and the next `snakemake` applies it. Several reviewers
can work at the same time. To stop, press Ctrl-C.

Shortcuts: A approve, R reject, G generate again, N note, U undo, ? show all shortcuts.
"""
EXAMPLES = """\
examples:
  review on your own machine
    imagemake review
  let others on your network review under their own names
    imagemake review --host 0.0.0.0 --allow-host review.example.com
"""


def add_review_options(review: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake review`."""
    review.add_argument("--port", type=int, default=8765, help="port to listen on; default: 8765; 0 picks a free port")
    review.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; default: 127.0.0.1, which only this machine can reach. With any other address, "
        "reviewers need the token that the command prints; the connection is not encrypted",
    )
    review.add_argument(
        "--token",
        action="store_true",
        help="require the token on this machine too, for example if others have accounts on it",
    )
    review.add_argument(
        "--allow-host", metavar="NAME", action="append", default=[], help="another host name of this server; repeatable"
    )
    review.add_argument("--reviewer", metavar="NAME", help="your name; default: user.name from git")
    review.add_argument("--no-browser", action="store_true", help="print the address, but open no browser")
    review.set_defaults(run=run_review)


def run_review(options: argparse.Namespace) -> int:
    """Serve the review page until it is stopped."""
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
