"""`imagemake inspect`: show where one image came from."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
Shows where an image came from: its rows in the manifest and the catalog; its prompt, model, seed, and key; every call
for it, with time, cost, and the provider's request ID; earlier attempts, measures, and review decisions. For a file,
the command also shows the content credentials: who signed them, whether the signature is valid, what was done, and
what the image was made from.

IMAGE is a file, a key, or a name in the manifest. The file can be a released image, an image in the store, or a copy
from elsewhere: its XMP contains the key. Run this command in the project that made the image.

Exit status: 0; 1 if something does not match, such as a file that was changed; 2 if this project does not know the
image. In that case, only the content credentials are shown.
"""
EXAMPLES = """\
examples:
  inspect a released image, and a copy that you received by mail
    imagemake inspect results/images/MUG-1_red.jpg
    imagemake inspect ~/Downloads/mug.jpg
  check whether you trust the signer of an image
    imagemake inspect ~/Downloads/mug.jpg --trust roots.pem
  get the request ID of each call, for the provider's support
    imagemake inspect MUG-1_red --json | jq -r .calls[].request_id
"""


def add_inspect_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake inspect`."""
    parser.add_argument("image", metavar="IMAGE", help="a file, a key (64 hexadecimal digits), or a name")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--trust", type=Path, metavar="PEM", help="root certificates that you trust; default: c2pa.trust in config.yaml"
    )
    parser.set_defaults(run=run_inspect)


def run_inspect(options: argparse.Namespace) -> int:
    """Print the origin of an image; return 1 if something does not match."""
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
