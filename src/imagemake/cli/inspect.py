"""`imagemake inspect`: where one image came from."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
Tells where one image came from: its row of the manifest and the catalog, prompt, model, seed and key, every call for
it with time, cost and the provider's own request id, earlier attempts, what was measured, and what people decided.
For a file, also its content credentials: who signed, whether they hold, what was done, and what it was made from.

IMAGE is a file (released, of the store, or a copy that came back from somewhere: its XMP has the key), a key, or a
name of the manifest. Run it in the project that made the image.

Says what does not match, such as a file or credentials that were changed, and ends with 1 then; with 2 where nothing
here knows the image: of such a file, only the content credentials are told.
"""
EXAMPLES = """\
examples:
  a released image, and a copy from a mail
    imagemake inspect results/images/MUG-1_red.jpg
    imagemake inspect ~/Downloads/mug.jpg
  whether the signer of an image is one of those that you trust
    imagemake inspect ~/Downloads/mug.jpg --trust roots.pem
  the request id of each call, for the provider's support
    imagemake inspect MUG-1_red --json | jq -r .calls[].request_id
"""


def add_inspect_options(parser: argparse.ArgumentParser) -> None:
    """Say what `imagemake inspect` takes."""
    parser.add_argument("image", metavar="IMAGE", help="a file, a key of 64 digits, or a name")
    parser.add_argument("--json", action="store_true", help="all of it for programs")
    parser.add_argument(
        "--trust", type=Path, metavar="PEM", help="root certificates to trust; default: c2pa.trust of config.yaml"
    )
    parser.set_defaults(run=run_inspect)


def run_inspect(options: argparse.Namespace) -> int:
    """Tell; 1 where something does not match, 2 where nothing here knows the image."""
    from imagemake.cli.inspect_lines import json_of, lines_of, lines_of_stranger
    from imagemake.cli.terminal import print_lines
    from imagemake.core.problems import UserError
    from imagemake.release.credentials.trust import trust_anchors
    from imagemake.versions.inspect import Inspector

    anchors = None
    try:
        anchors = trust_anchors(Path(), options.trust)
        found = Inspector(Path(), anchors).inspect(options.image)
    except UserError:
        if anchors is not None and not options.json:
            print_lines(lines_of_stranger(Path(options.image), anchors))
        raise
    print_lines([json_of(found)] if options.json else lines_of(found))
    return 1 if found.mismatches else 0
